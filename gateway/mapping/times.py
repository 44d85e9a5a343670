"""Times and dates as HL7, X12 and JSON write them, read the same way everywhere.

A time without an offset is on the wall of the clinic. When clocks go forward, a time that the wall never shows is
read by the offset before the change (02:30 becomes 03:30); when they go back, a time shown twice is the first one.
Times of such an hour carry their offset in place of the zone: Python holds them unequal to the same moment elsewhere
otherwise, and a record must equal itself after it was stored.
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache

from gateway.model.null import NULL, Null

HL7_TIME = re.compile(
    r"(?P<day>[0-9]{8})(?P<clock>[0-9]{2}(?:[0-9]{2}(?:[0-9]{2})?)?)?"
    r"(?P<fraction>\.[0-9]{1,6})?(?P<offset>[+-][0-9]{4})?\Z"
)
ISO_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?\Z"
)
DAY = timedelta(days=1)
ZERO = timedelta(0)
OFFSET = re.compile(r"[+-][0-9]{4}\Z")
ONLY_A_DATE = re.compile(r"[0-9]{4}(?:-?[0-9]{2}(?:-?[0-9]{2})?)?\Z")
PARTIAL_DATE = re.compile(r"[0-9]{4}(?:-?(?:0[1-9]|1[0-2]))?\Z")


class Unconvertible(ValueError):
    """A value that means nothing to a converter or code table; ``reason`` is a stable word.

    Neither ``what`` nor ``fix`` holds a value.
    """

    def __init__(self, reason: str, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.reason = reason
        self.what = what
        self.fix = fix


def read_time(text: str) -> datetime:
    """A time to the hour or finer, naive when the text has no offset.

    Raises:
        Unconvertible: ``not-a-time``, or ``imprecise-time`` when there is only a date.
    """
    try:
        clock, offset = text[:14], text[14:]
        if len(clock) == 14 and clock.isdigit() and text.isascii() and (not offset or OFFSET.match(offset)):
            return datetime.fromisoformat(f"{clock[:8]}T{clock[8:]}{offset}")
        match = HL7_TIME.match(text)
        if match is not None and match["clock"] and (len(match["clock"]) == 6 or not match["fraction"]):
            tail = f"{match['fraction'] or ''}{match['offset'] or ''}"
            return datetime.fromisoformat(f"{match['day']}T{match['clock']}{tail}")
        if ISO_TIME.match(text) is not None:
            return datetime.fromisoformat(text)
    except ValueError:  # a month 13, an hour 25: its message quotes the value, so it must not be the context of ours
        pass
    if ONLY_A_DATE.match(text) is not None:
        raise Unconvertible("imprecise-time", "there is a date where a time is needed")
    raise Unconvertible("not-a-time", "the value is not a time")


def on_the_wall(naive: datetime, zone: tzinfo | None) -> datetime:
    """The moment at which the clinic's clock shows ``naive``; see the module for the two hours of a clock change.

    Raises:
        Unconvertible: ``no-zone`` when no zone is bound.
    """
    if zone is None:
        raise Unconvertible("no-zone", "the time has no offset and the source has no zone", "set the source's zone")
    first = naive.replace(tzinfo=zone)
    if not changes_clocks(naive.date(), zone):
        return first
    return settled(first.astimezone(UTC).astimezone(zone))


def settled(local: datetime) -> datetime:
    """The same moment, with its offset in place of the zone where the wall shows it twice."""
    other = local.replace(fold=1 - local.fold)
    return local if other.utcoffset() == local.utcoffset() else local.astimezone(timezone(local.utcoffset() or ZERO))


def within_calendar(found: datetime) -> datetime:
    """Refuse the first and the last year: no zone could move a time out of the calendar, and no message means them."""
    if not MINYEAR < found.year < MAXYEAR:
        raise Unconvertible("not-a-time", "the time is at an end of the calendar")
    return found


@lru_cache(maxsize=1024)  # asking the zone twice for every time costs more than all the rest of reading it
def changes_clocks(day: date, zone: tzinfo) -> bool:
    """Whether the clocks of the zone change on this day, midnight at its end included."""
    midnight = datetime.combine(day, time(), zone)
    return midnight.utcoffset() != (midnight + DAY).replace(fold=1).utcoffset()


def moment(text: str, zone: tzinfo | None) -> datetime:
    """A time in the clinic's zone: as written on its wall, or moved there from the offset that was sent.

    Raises:
        Unconvertible: ``not-a-time``, ``imprecise-time`` or ``no-zone``.
    """
    found = within_calendar(read_time(text))
    if found.tzinfo is None:
        return on_the_wall(found, zone)
    if zone is None:
        return found
    local = found.astimezone(zone)
    return settled(local) if changes_clocks(local.date(), zone) else local


def moment_or_midnight(text: str, zone: tzinfo | None) -> datetime:
    """As :func:`moment`; a date alone is the first moment of that day in the clinic's zone.

    Raises:
        Unconvertible: ``not-a-time``, ``imprecise-time`` or ``no-zone``.
    """
    day = text.replace("-", "")
    return moment(f"{day}0000" if len(day) == 8 and day.isdigit() and day.isascii() else text, zone)


def moment_if_timed(text: str, zone: tzinfo | None) -> datetime | None:
    """As :func:`moment`; None for a date, a month or a year alone, which say nothing of the time.

    Raises:
        Unconvertible: ``not-a-time``, ``not-a-date`` or ``no-zone``.
    """
    if ONLY_A_DATE.match(text) is None:
        return moment(text, zone)
    read_date(text)
    return None


def as_sent(text: str, zone: tzinfo | None) -> str | Null | None:
    """The text itself where it left the zone, and with it a clock change, open; ``NULL`` where it has an offset.

    None for a date, a month or a year alone: they are no time that could be doubted.
    """
    del zone  # asked for like every reader of times
    if len(text) == 14 and text.isdigit():
        return text
    if ONLY_A_DATE.match(text) is not None:
        return None
    return NULL if read_time(text).tzinfo is not None else text


@lru_cache(maxsize=256)  # all records of one message have its time as their version
def instant(text: str, zone: tzinfo | None) -> str:
    """A version of the source as text that sorts by time: ISO 8601, UTC, to the microsecond; a date is its midnight."""
    day = read_date(text) if ONLY_A_DATE.match(text) else None
    found = moment(text, zone) if day is None else on_the_wall(within_calendar(datetime.combine(day, time())), zone)
    return found.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


@lru_cache(maxsize=4096)  # a file names the same few days in every row
def read_date(text: str) -> date | None:
    """The date at the head of an HL7 or ISO date or time; None for a year or a month alone.

    Raises:
        Unconvertible: ``not-a-date``.
    """
    if PARTIAL_DATE.match(text) is not None:
        return None
    try:
        if len(text) == 8 and text.isascii() and text.isdigit():
            return date.fromisoformat(text)
        if len(text) == 10 and text[4] == "-" == text[7] and text.isascii():
            return date.fromisoformat(text)
        if HL7_TIME.match(text) is not None or ISO_TIME.match(text) is not None:
            return read_time(text).date() if len(text) > 10 else date.fromisoformat(text[:8])
    except ValueError:  # Unconvertible is one; a message of the standard library quotes the value
        pass
    raise Unconvertible("not-a-date", "the value is not a date")
