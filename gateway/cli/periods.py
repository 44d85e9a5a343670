"""Periods on the command line: days or moments, the first included and the last not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.errors import InvalidConfiguration
from gateway.flow.clock import micros_of

SinceOption = Annotated[str, typer.Option("--since", help="From this day or moment on: 2026-01-31, UTC without zone.")]
UntilOption = Annotated[str, typer.Option("--until", help="Before this day or moment.")]
ALWAYS = 253_402_300_799_000_000
"""The end of the year 9999, microseconds."""


def period(since: str, until: str, names: tuple[str, str] = ("--since", "--until")) -> tuple[int, int]:
    """First moment and end in microseconds; all of time where nothing is given. ``names`` are those of the options.

    Raises:
        InvalidConfiguration: one of them is no day and no moment, or the end does not come after the beginning.
    """
    first = moment_of(since, names[0]) if since else 0
    end = moment_of(until, names[1]) if until else ALWAYS
    if end <= first:
        raise InvalidConfiguration("The period ends before it begins", where=names[1], fix="Exchange the two.")
    return first, end


def moment_of(text: str, where: str) -> int:
    """Microseconds of a day or moment; ``InvalidConfiguration`` when it is neither."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidConfiguration("This is no day and no moment", where=where, fix="Write 2026-01-31.") from None
    return micros_of(at if at.tzinfo else at.replace(tzinfo=UTC))
