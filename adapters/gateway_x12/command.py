"""The commands ``gateway x12 validate``, ``show`` and ``split``: what an X12 file holds and what is wrong with it.

They read a file of the caller's own and touch neither the store nor the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from gateway.command_line import JsonOption, as_json, chunks
from gateway.errors import InvalidConfiguration, RejectMessage
from gateway.mapping import Mapping
from gateway.model.exchange import Finding, Item
from gateway.model.patch import Patch
from gateway_x12.command_show import lines, tree
from gateway_x12.command_split import split
from gateway_x12.plugin import X12Adapter
from gateway_x12.strict import NO_GUIDE
from gateway_x12.strict import validate as guide

MOST_VALIDATED = 64 * 1024 * 1024
"""Bytes of a file that is checked against the guide: that needs the whole of it in memory, several times over."""
LEVELS = {
    "1 syntax": "whole: envelopes and counts by the gateway, segments and elements by pyx12",
    "2 guide": "as far as pyx12's maps go: required and used segments and elements, repetitions, codes in the guide",
    "3 balancing": "by the gateway: 835 at line, claim and transaction; 837 claim charge against its lines",
    "4 situations": "in part: relations between elements of one segment",
    "5 code lists": "in part: the lists that come with pyx12, not those of procedures, diagnoses and remarks",
    "6 service lines": "not checked",
    "7 trading partner": "not checked",
}
"""How far each SNIP type of the WEDI paper is checked."""

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What an X12 file holds and what is wrong with it.")
FileArgument = Annotated[Path, typer.Argument(help="An X12 file.", exists=True, dir_okay=False)]


@app.command()
def validate(file: FileArgument, json_: JsonOption = False) -> None:
    """Check a file against envelopes, implementation guide and arithmetic; exit code 1 when something is wrong."""
    if file.stat().st_size > MOST_VALIDATED:
        raise InvalidConfiguration(
            "The file is too large to be checked as a whole", where=file.name, fix="Cut it with `gateway x12 split`."
        )
    adapter = X12Adapter()
    parts = list(adapter.cut(chunks(file), adapter.config()))
    found = [one for one in parts if isinstance(one, Finding)]
    found += _contents(adapter, [one for one in parts if isinstance(one, Item)])
    by_guide = guide(file.read_bytes())
    unchecked = [one.what for one in by_guide if one.reason == NO_GUIDE]
    found += [one for one in by_guide if one.reason != NO_GUIDE]
    if json_:
        rows = [{"reason": one.reason, "what": one.what, "where": one.where, "fix": one.fix} for one in found]
        as_json({"file": file.name, "valid": not found, "unchecked": unchecked, "levels": LEVELS, "findings": rows})
    else:
        for one in found:
            typer.echo(f"{one.where}: {one.what} ({one.reason})" + (f"; {one.fix}" if one.fix else ""))
        for what in unchecked:
            typer.echo(f"Note: {what}.")
        typer.echo("No mistakes found." if not found else f"{len(found)} mistakes found.")
        for level, how in LEVELS.items():
            typer.echo(f"  SNIP type {level}: {how}")
    if found:
        raise typer.Exit(1)


@app.command()
def show(file: FileArgument, json_: JsonOption = False) -> None:
    """Print a file as a tree of envelopes, levels, claims and lines. It prints everything: mind who looks on."""
    if json_:
        as_json(list(tree(chunks(file))))
        return
    for line in lines(chunks(file)):
        typer.echo(line)


@app.command(name="split")
def split_(
    file: FileArgument,
    to: Annotated[Path, typer.Option("--to", help="Folder for the parts; made when it is missing.")],
    json_: JsonOption = False,
) -> None:
    """Write each transaction as a file of its own, with its envelope; nothing that is there is overwritten."""
    written, found = split(chunks(file), to)
    if json_:
        as_json({"written": written, "findings": [one.what for one in found]})
    else:
        for part in written:
            typer.echo(f"{part.file}: {part.set}, {part.segments} segments")
        for one in found:
            typer.echo(f"{one.where}: {one.what} ({one.reason})")
    if found:
        raise typer.Exit(1)


def _contents(adapter: X12Adapter, items: list[Item]) -> Iterator[Finding]:
    """What cannot be translated, and what does not add up."""
    normalize = adapter.normalizer(adapter.config(), Mapping.load(adapter.mappings, None, adapter.path))
    for item in items:
        place = f"{item.kind} at byte {item.offset}"
        try:
            patches = normalize(item.body, item.context).patches
        except RejectMessage as error:
            where = f"{place}, {error.where}" if error.where else place
            yield Finding(reason=error.reason, what=error.what, where=where, fix=error.fix)
            continue
        for patch in patches:
            yield from _unbalanced(patch, place)


_EQUATIONS = {
    "Remittance": "BPR02 differs from the sum of CLP04 less the sum of PLB",
    "ClaimPayment": "CLP04 differs from CLP03 less every CAS",
    "Claim": "CLM02 differs from the sum of its lines",
}


def _unbalanced(patch: Patch, place: str) -> Iterator[Finding]:
    difference = patch.fields.get("difference")
    if patch.type in _EQUATIONS and difference:
        yield Finding(reason="out-of-balance", what=f"{_EQUATIONS[patch.type]} by {difference}", where=place)
    if patch.type == "ClaimPayment":
        for number, line in enumerate(patch.fields["lines"], 1):
            if line.get("difference"):
                what = f"SVC03 differs from SVC02 less its CAS by {line['difference']}"
                yield Finding(reason="out-of-balance", what=what, where=f"{place}, service line {number}")
