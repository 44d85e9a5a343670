"""The command ``gateway reminders fit``: a model of missed visits from the clinic's own history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.client import Client
from gateway.command_line import JsonOption, as_json
from gateway.errors import InvalidConfiguration
from gateway.settings import resolve_secret
from gateway_reminders.command_fit import GOOD_ENOUGH, Fitted, fitted, history

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What reminders know about missed visits.")
MOST_LINES = 2_000_000


@app.callback()
def reminders() -> None:
    """A group, though it has one command so far."""


@app.command()
def fit(
    url: Annotated[str, typer.Option(help="A gateway whose feed has the appointments.")] = "",
    key: Annotated[str, typer.Option(help="Reference to the API key: env:NAME or file:path.")] = "",
    file: Annotated[Path | None, typer.Option(help="Or a file of the feed's lines (NDJSON).", exists=True)] = None,
    zone: Annotated[str, typer.Option(help="IANA zone of visits without one.")] = "UTC",
    json_: JsonOption = False,
) -> None:
    """Fit the model and print it as settings; exit code 1 when it is no better than the plain rate."""
    if bool(url) == (file is not None):
        raise InvalidConfiguration("One source of history is needed", where="--url, --file", fix="Name one of them.")
    lines = _lines(file) if file is not None else _fetched(url, key)
    found = fitted(history(lines, zone))
    good = found.brier < found.base_brier and found.calibration < GOOD_ENOUGH
    if json_:
        as_json({"good": good, **found._asdict()})
    else:
        typer.echo("\n".join(_told(found, good=good)))
    if not good:
        raise typer.Exit(1)


def _told(found: Fitted, *, good: bool) -> Iterator[str]:
    yield f"# Fitted on {found.visits} visits, judged on the {found.held_out} that came after them."
    yield f"# Brier score {found.brier:.4f}, the plain rate alone {found.base_brier:.4f} (less is better)."
    yield f"# Calibration error {found.calibration:.4f}, less than {GOOD_ENOUGH} is asked for."
    if not good:
        yield "# Not good enough to use: more history is needed, or these features tell little here."
        return
    yield "[reactors.config.risk]"
    for name, value in found.weights.items():
        yield f"{name} = {value}"


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if number > MOST_LINES:
                raise InvalidConfiguration("The file is too long", where=file.name, fix=f"Keep {MOST_LINES} lines.")
            try:
                one = json.loads(line)
            except ValueError:
                raise InvalidConfiguration("A line is not JSON", where=f"{file.name} line {number}") from None
            if isinstance(one, dict):
                yield one


def _fetched(url: str, key: str) -> Iterator[dict[str, Any]]:
    for one in Client(url, resolve_secret(key)).list("Appointment"):
        yield {"type": "Appointment", "id": one.id, "version": one.version, "record": one.record}
