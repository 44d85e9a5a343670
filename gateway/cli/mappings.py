"""mappings check: whether every mapping in use is complete and can fire."""

from __future__ import annotations

import typer

from gateway import model
from gateway.cli.printing import JsonOption, as_json, table
from gateway.mapping import check as check_mapping
from gateway.registry import Registry

app = typer.Typer(no_args_is_help=True, help="The declarative translations of sources.")


@app.command()
def check(json_: JsonOption = False) -> None:
    """Look through the mapping files of every installed adapter; exit code 1 when something is wrong."""
    registry = Registry.load(None)
    found = []
    for name, adapter in sorted(registry.adapters.items()):
        findings = check_mapping(adapter.mappings, None, adapter.path, model.TYPES)
        found += [{"adapter": name, "finding": str(finding)} for finding in findings]
    if json_:
        as_json({"ok": not found, "findings": found})
    elif found:
        table("Findings", ("adapter", "finding"), [(row["adapter"], row["finding"]) for row in found])
    else:
        typer.echo(f"{len(registry.adapters)} adapters: no mistakes found in their mappings.")
    if found:
        raise typer.Exit(1)
