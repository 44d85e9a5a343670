"""Times and dates as HL7, X12 and JSON write them, read the same way everywhere.

A time without an offset is on the wall of the clinic. When clocks go forward, a time that the wall never shows is
read by the offset before the change (02:30 becomes 03:30); when they go back, a time shown twice is the first one.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo

from gateway.model.null import NULL, Null

HL7_TIME = re.compile(
    r"(?P<day>[0-9]{8})(?P<clock>[0-9]{2}(?:[0-9]{2}(?:[0-9]{2})?)?)?(?P<fraction>\.[0-9]{1,6})?(?P<offset>[+-][0-9]{4})?\Z"
)
ISO_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?\Z"
)
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
        if len(text) == 14 and text.isascii() and text.isdigit():
            return datetime.fromisoformat(f"{text[:8]}T{text[8:]}")
        match = HL7_TIME.match(text)
        if match is not None:
            if match["clock"] is None:
                raise Unconvertible("imprecise-time", "there is a date where a time is needed")
            if match["fraction"] and len(match["clock"]) != 6:
                raise Unconvertible("not-a-time", "the value has a fraction of something other than a second")
            return datetime.fromisoformat(f"{match['day']}T{match['clock']}{match['fraction'] or ''}{match['offset'] or ''}")
        if ISO_TIME.match(text) is not None:
            return datetime.fromisoformat(text)
        if read_date(text) is not None:
            raise Unconvertible("imprecise-time", "there is a date where a time is needed")
    except Unconvertible:
        raise
    except ValueError:  # a month 13, an hour 25: its message quotes the value
        pass
    raise Unconvertible("not-a-time", "the value is not a time")


def on_the_wall(naive: datetime, zone: tzinfo | None) -> datetime:
    """The moment at which the clinic's clock shows ``naive``; see the module for the two hours of a clock change.

    Raises:
        Unconvertible: ``no-zone`` when no zone is bound.
    """
    if zone is None:
        raise Unconvertible("no-zone", "the time has no offset and the source has no time zone", "set the source's zone")
    first = naive.replace(tzinfo=zone)
    if in_clock_change(first):
        return in_zone(first.astimezone(UTC), zone)
    return first


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """The same moment on the clinic's clock."""
    return moment.astimezone(zone)


def in_clock_change(local: datetime) -> bool:
    """Whether the wall shows this time twice or never."""
    return local.utcoffset() != local.replace(fold=1).utcoffset()


def moment(text: str, zone: tzinfo | None) -> datetime:
    """A time in the clinic's zone: as written on its wall, or moved there from the offset that was sent."""
    found = read_time(text)
    if found.tzinfo is None:
        return on_the_wall(found, zone)
    return found if zone is None else in_zone(found, zone)


def as_sent(text: str, zone: tzinfo | None) -> str | Null:
    """The text itself where it left something open: no offset, or none and a clock change; otherwise ``NULL``."""
    found = read_time(text)
    if found.tzinfo is not None:
        return NULL
    on_the_wall(found, zone)
    return text


def instant(text: str, zone: tzinfo | None) -> str:
    """A version of the source as text that sorts by time: ISO 8601 in UTC to the microsecond; a date is its midnight."""
    day = None if len(text) > 10 else read_date(text)
    found = on_the_wall(datetime(day.year, day.month, day.day), zone) if day else moment(text, zone)  # noqa: DTZ001 - the zone follows
    return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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
