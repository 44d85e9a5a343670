"""mappings: whether every mapping in use is complete and can fire, and what one makes of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import model
from gateway.cli.previewing import previewer
from gateway.cli.printing import DEFAULT_CONFIG, ConfigOption, JsonOption, as_json, read, table
from gateway.command_line import chunks
from gateway.mapping import check as check_mapping
from gateway.mapping.files import profiles
from gateway.model.exchange import Finding
from gateway.registry import Registry

app = typer.Typer(no_args_is_help=True, help="The declarative translations of sources.")


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Look through mappings, profiles and the overlays of gateway.toml; exit code 1 when something is wrong."""
    registry = Registry.load(None)
    found = [{"adapter": name, "finding": str(finding)} for name, finding in _findings(registry, config)]
    if json_:
        as_json({"ok": not found, "findings": found})
    elif found:
        table("Findings", ("adapter", "finding"), [(row["adapter"], row["finding"]) for row in found])
    else:
        typer.echo(f"{len(registry.adapters)} adapters: no mistakes found in their mappings.")
    if found:
        raise typer.Exit(1)


def _findings(registry: Registry, config: Path) -> Iterator[tuple[str, Finding]]:
    for name, adapter in sorted(registry.adapters.items()):
        for profile in ("", *profiles(adapter.mappings)):
            for finding in check_mapping(adapter.mappings, None, adapter.path, model.TYPES, profile):
                yield name, finding
    for source in read(config)[0].sources if config.exists() else ():
        if source.overlay is not None and source.adapter in registry.adapters:
            adapter, profile = registry.adapters[source.adapter], source.profile or ""
            for finding in check_mapping(adapter.mappings, source.overlay, adapter.path, model.TYPES, profile):
                yield source.name, finding


@app.command()
def preview(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Messages as the source sends them.")],
    source: Annotated[str, typer.Option(help="A source's or an adapter's name; found by evidence if not given.")] = "",
    profile: Annotated[str, typer.Option(help="Try this profile in place of the source's own.")] = "",
    overlay: Annotated[Path | None, typer.Option(help="Try this folder in place of the source's own overlay.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone; the source's own, or UTC, if not given.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """Show each message, the records it becomes, what no rule reads and every rule that fired; store nothing."""
    shown = previewer(file, source, zone, config, profile=profile, overlay=overlay, traced=True)
    quarantined = False
    for line in shown.lines(chunks(file)):
        quarantined = quarantined or "quarantined" in line
        if json_:
            as_json(line)
        else:
            _show(line)
    if quarantined:
        raise typer.Exit(1)


def _show(line: dict[str, Any]) -> None:
    """One message: its segments beside its records, then residue and rules."""
    title = f"{line.get('kind', 'not a message')} {line['control_id']}"
    sent = [part for part in re.split(r"[\r\n]+", line.get("message", "")) if part]
    made = list(_made(line))
    height = max(len(sent), len(made))
    sent += [""] * (height - len(sent))
    made += [""] * (height - len(made))
    table(title, ("message", "canonical"), list(zip(sent, made, strict=True)))
    if line.get("residue"):
        typer.echo(f"residue, read by no rule: {', '.join(line['residue'])}")
    rules = line.get("rules", ())
    if rules:
        columns = ("record", "field", "path", "raw", "result", "rule")
        table("rules that fired", columns, [[rule[name] for name in columns] for rule in rules])


def _made(line: dict[str, Any]) -> Iterator[str]:
    if "quarantined" in line:
        yield f"quarantined: {line['quarantined']} at {line['where']}"
        yield from (text for text in (line["what"], line["fix"]) if text)
    if "suppressed" in line:
        yield f"suppressed: {line['suppressed']}"
    for record in line.get("records", ()):
        yield f"{record['type']} {record['native_id']} ({record['change']})"
        yield from (f"  {name} = {value}" for name, value in sorted(record["fields"].items()))
