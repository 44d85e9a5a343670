"""Opening hours: when on which weekdays something may happen, as ``mon-fri 08:00-18:00``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, time
from typing import NamedTuple

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(r"(\w{3})(?:-(\w{3}))? ([0-2]\d:[0-5]\d)-([0-2]\d:[0-5]\d)")


class Hours(NamedTuple):
    """From the first to the second time of each of these weekdays, the end left out; Monday is 0."""

    days: frozenset[int]
    start: time
    end: time


def parse_hours(text: str) -> Hours:
    """Read ``sat 09:00-12:00`` or ``mon-fri 08:00-18:00``; a day ends at 23:59 at the latest, which is kept whole.

    Raises:
        ValueError: it is not of that form, or ends before it begins.
    """
    found = _FORM.fullmatch(text.strip().lower())
    first, last = (found[1], found[2] or found[1]) if found else ("", "")
    if found is None or first not in _DAYS or last not in _DAYS:
        raise ValueError("is not of the form mon-fri 08:00-18:00")
    try:
        start, end = time.fromisoformat(found[3]), time.fromisoformat(found[4])
    except ValueError:
        raise ValueError("is not of the form mon-fri 08:00-18:00") from None
    if start >= end:
        raise ValueError("ends before it begins; write two entries for hours across midnight")
    low, high = _DAYS.index(first), _DAYS.index(last)
    days = range(low, high + 1) if low <= high else (*range(low, 7), *range(high + 1))
    return Hours(frozenset(days), start, time.max if found[4] == "23:59" else end)


def is_open(hours: Iterable[Hours], local: datetime) -> bool:
    """Whether a local time is within any of them."""
    now = local.time()
    return any(local.weekday() in one.days and one.start <= now < one.end for one in hours)
