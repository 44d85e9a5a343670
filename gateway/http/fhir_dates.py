"""Dates of searches: read as FHIR means them, as spans of time, and compared with what resources say."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from gateway.http.refusal import bad

_PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb")
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII)
"""What FHIR takes for a date: other forms of ISO 8601 would be read as another span than the client means."""
_FIX = "Write one of 2026-03-02, 2026-03 or 2026-03-02T09:30:00Z."
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


class Range(NamedTuple):
    """A date as FHIR means it: all of the day, month or year, as microseconds, the end not included."""

    prefix: str
    start: int
    end: int


def parse_range(value: str, where: str) -> Range:
    """A date with its prefix: ``ge2026-03``, ``2026-03-02``, ``lt2026-03-02T09:30:00Z``; UTC without an offset."""
    prefix = value[:2] if value[:2] in _PREFIXES else ""
    text = value[len(prefix) :].replace(" ", "+")  # of an offset that was not written as %2B
    if value[:2] == "ap":
        raise bad("The prefix ap is not offered", where, "Ask with ge and le, for as much as you take for near.")
    if not _DATE.fullmatch(text):
        several = "," in text
        raise bad("Only one date is taken at a time" if several else "This is not a date", where, _FIX)
    try:
        start, end = _span(text)
        low, high = map(_micros, (start, end))
    except (ValueError, OverflowError):
        raise bad("This is not a date", where, _FIX) from None
    return Range(prefix or "eq", low, high)


def moment_range(value: str, where: str) -> Range:
    """The same of moments that are compared by their order alone."""
    found = parse_range(value, where)
    if found.prefix == "ne":
        raise bad("The prefix ne is not offered here", where, "Ask once with lt and once with gt.")
    return found


def _span(text: str) -> tuple[datetime, datetime]:
    if not text.isascii():
        raise ValueError
    if len(text) == 4:
        start = datetime(int(text), 1, 1, tzinfo=UTC)
        return start, start.replace(year=start.year + 1) if start.year < _LAST.year else _LAST
    if len(text) == 7:
        start = datetime.fromisoformat(f"{text}-01").replace(tzinfo=UTC)
        return start, _behind(start, timedelta(days=31)).replace(day=1) if text < "9999-12" else _LAST
    moment = datetime.fromisoformat(text)
    start = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if len(text) == 10:
        return start, _behind(start, timedelta(days=1))
    return start, _behind(start, _precision(text))


def _precision(text: str) -> timedelta:
    """How long a moment lasts by its digits: a minute, a second, or the last place of a fraction."""
    if text[16:17] != ":":
        return timedelta(minutes=1)
    places = len(text[20:].partition("Z")[0].partition("+")[0].partition("-")[0]) if text[19:20] == "." else 0
    return max(timedelta(seconds=10.0**-places), _MICRO)


def _behind(start: datetime, lasts: timedelta) -> datetime:
    """The end of what lasts so long; payers write the last day there is for what has no end."""
    try:
        return start + lasts
    except OverflowError:
        return _LAST


def _bounds(one: Range) -> tuple[int | None, int | None]:
    """What a range asks of a moment: from, and before."""
    match one.prefix:
        case "gt" | "sa":
            return one.end, None
        case "ge":
            return one.start, None
        case "lt" | "eb":
            return None, one.start
        case "le":
            return None, one.end
        case "ne":
            return None, None
        case _:
            return one.start, one.end


def window_of(ranges: Iterable[Range]) -> tuple[int | None, int | None]:
    """From and before when a moment lies that is in all these ranges, microseconds."""
    since: int | None = None
    before: int | None = None
    for one in ranges:
        low, high = _bounds(one)
        since = low if since is None else max(since, low if low is not None else since)
        before = high if before is None else min(before, high if high is not None else before)
    return since, before


def within(value: Any, one: Range) -> bool:
    """Whether a date, an instant or a period of a resource lies where a range says."""
    found = extent(value)
    if found is None:
        return False
    low, high = found
    match one.prefix:
        case "gt":
            return high > one.end
        case "sa":
            return low >= one.end
        case "ge":
            return high > one.start
        case "lt":
            return low < one.start
        case "eb":
            return high <= one.start
        case "le":
            return low < one.end
        case "ne":
            return low >= one.end or high <= one.start
        case _:
            return low < one.end and high > one.start


def extent(value: Any) -> tuple[int, int] | None:
    """From when to before when a date, an instant or a period lasts, microseconds; None when it is none of them."""
    if value is None:
        return None
    try:
        if isinstance(value, dict):
            start = _span(str(value["start"]))[0] if "start" in value else _FIRST
            end = _span(str(value["end"]))[1] if "end" in value else _LAST
        else:
            start, end = _span(str(value))
    except (ValueError, OverflowError):
        return None
    return _micros(start), _micros(end)


def _micros(at: datetime) -> int:
    return (at - _ZERO) // _MICRO
