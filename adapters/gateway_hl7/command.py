"""The command group ``hl7``: what the standard's own library says about messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.command_line import JsonOption, as_json, chunks
from gateway.errors import InvalidConfiguration
from gateway.model.exchange import Finding
from gateway_hl7.records import items

app = typer.Typer(name="hl7", no_args_is_help=True, help="HL7 v2: conformance of messages to the standard.")
_MOST_BYTES = 64 * 1024 * 1024


@app.callback()
def group() -> None:
    """HL7 v2: conformance of messages to the standard."""


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Messages, one or a batch.")],
    profile: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Message profile (XML) to judge by; once for each event."),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Report every way in which messages differ from the standard of their version, by place and never by value.

    With a message profile, messages of its event are judged by the profile alone, which may ask for more or for less.
    Exit code 1 when there is a finding; with ``--json`` one line per message. The gateway reads more than the standard
    allows: a finding is a question to the sender, and no sign that a message would not be taken.
    """
    found = 0
    for line in _report(file, profile or ()):
        found += len(line["findings"])
        if json_:
            as_json(line)
        else:
            by = " by the profile" if line.get("judged_by") == "profile" else ""
            typer.echo(f"{line['kind']} {line['control_id']}: {len(line['findings']) or 'no'} findings{by}")
            for one in line["findings"]:
                typer.echo(f"  {one['where'] or 'message'}: {one['reason']}. {one['what']} {one['fix']}".rstrip())
    if found:
        raise typer.Exit(1)


def _report(file: Path, profiles: Sequence[Path]) -> Iterator[dict[str, Any]]:
    try:
        from gateway_hl7.strict import check, check_profile  # the library is an extra, loaded on use
        from gateway_hl7.strict_profile import MOST_BYTES, read_profile
    except ImportError:
        raise InvalidConfiguration(
            "Validation needs the library hl7apy", where="hl7 validate", fix='Install the extra: "emr-gateway[hl7]".'
        ) from None
    agreed = {one.kind: one for path in profiles for one in [read_profile(_begin(path, MOST_BYTES + 1))]}
    for part in items(chunks(file), _MOST_BYTES):
        if isinstance(part, Finding):
            yield {"kind": "", "control_id": "", "findings": [_plain(part)]}
            continue
        found = check_profile(part.body, agreed[part.kind]) if part.kind in agreed else check(part.body)
        by = "profile" if part.kind in agreed else "standard"
        findings = [_plain(one) for one in found]
        yield {"kind": part.kind, "control_id": part.control_id, "judged_by": by, "findings": findings}


def _begin(path: Path, most: int) -> bytes:
    with path.open("rb") as opened:
        return opened.read(most)


def _plain(one: Finding) -> dict[str, str]:
    return {"reason": one.reason, "what": one.what, "where": one.where, "fix": one.fix}
