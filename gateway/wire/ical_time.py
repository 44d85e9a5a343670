"""Times of a calendar: UTC, in a named zone, on the wall, or whole days (RFC 5545, sections 3.3.4 to 3.3.6 and 3.6.5).

A zone is taken from the IANA database where its name, or the one it says it stands for, is known there: rules in a file
are often those of a single year. Any other zone follows the calendar's own ``VTIMEZONE``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

from gateway.errors import InvalidContent
from gateway.wire.ical import Component, Property

_DATE = re.compile(r"[0-9]{8}\Z")
_TIME = re.compile(r"([0-9]{8}T[0-9]{6})(Z?)\Z")
_DURATION = re.compile(
    r"([+-]?)P(?:(\d{1,6})W|(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?)?)\Z", re.ASCII
)
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})(\d{2})?\Z", re.ASCII)
_DAY = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)\Z")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_CLOCK = {"BYHOUR": "%H", "BYMINUTE": "%M", "BYSECOND": "%S"}
_PARTS_OF_RULES = frozenset({"FREQ", "BYMONTH", "BYDAY", "UNTIL", "INTERVAL", "WKST", *_CLOCK})
_TIMES = frozenset(
    (
        "COMPLETED",
        "CREATED",
        "DTEND",
        "DTSTAMP",
        "DTSTART",
        "DUE",
        "DURATION",
        "EXDATE",
        "LAST-MODIFIED",
        "RDATE",
        "RECURRENCE-ID",
    )
)
"""Properties whose names may be told: a name of the sender's own making may be anything."""
_CURE = "Correct it in the calendar, or let the feed be read anew."


class _Change(Struct, frozen=True):
    """One kind of clock change: a STANDARD or DAYLIGHT part."""

    start: datetime
    before: timedelta
    after: timedelta
    dates: tuple[datetime, ...]
    month: int | None
    day: tuple[int, int] | None
    """Which of a month's days (1 the first, -1 the last), and weekday (0 is Monday)."""
    until: datetime | None

    def last(self, wall: datetime) -> datetime | None:
        """The last time it happened up to a time on the wall."""
        found = [one for one in (self.start, *self.dates) if one <= wall]
        if self.month is not None:
            for year in (wall.year, wall.year - 1):
                one = self._in(year)
                if self.start <= one <= wall and (self.until is None or one <= self.until):
                    found.append(one)
        return max(found, default=None)

    def _in(self, year: int) -> datetime:
        month = self.month or self.start.month
        if self.day is None:
            return self.start.replace(year=year)
        which, weekday = self.day
        if which > 0:
            first = date(year, month, 1)
            day = first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))
        else:
            following = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
            day = following - timedelta(days=(following.weekday() - weekday) % 7 + 7 * (-which - 1))
        return datetime.combine(day, self.start.time())


class Zones:
    """The zones that times of one calendar may name.

    Args:
        parts: its ``VTIMEZONE`` components.
        floating: the zone of times that name none.
    """

    def __init__(self, parts: Iterable[Component], floating: tzinfo) -> None:
        self._own: Mapping[str, Component] = {
            name.value: part for part in parts if (name := part.one("TZID")) is not None
        }
        self._floating = floating

    def read(self, found: Property) -> datetime | date:
        """The aware time, or the day, of a property of type DATE-TIME or DATE.

        Raises:
            InvalidContent: ``not-a-time``, or ``unknown-zone`` when neither database nor calendar describe its zone.
        """
        try:
            if _DATE.match(found.value) is not None:
                return datetime.strptime(found.value, "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
            match = _TIME.match(found.value)
            if match is not None:
                wall = datetime.strptime(match[1], "%Y%m%dT%H%M%S")  # noqa: DTZ007 - its zone follows
                zone = timezone.utc if match[2] else None  # noqa: UP017 - beside a class of that module
                return self._placed(wall, zone, found.parameter("TZID"), _place(found))
        except (ValueError, OverflowError):
            pass
        raise InvalidContent(
            "not-a-time", "The value is no time of a calendar", where=_place(found), fix=_CURE
        ) from None

    def midnight(self, day: date) -> datetime:
        """The beginning of a day on the wall."""
        return datetime.combine(day, datetime.min.time(), self._floating)

    def needed(self, found: Iterable[Property]) -> tuple[Component, ...]:
        """The calendar's own zones that these properties need, because the database has none of their name."""
        named = {one.parameter("TZID") or "" for one in found}
        return tuple(part for name, part in sorted(self._own.items()) if name in named and _known(name, part) is None)

    def _placed(self, wall: datetime, zone: tzinfo | None, named: str | None, where: str) -> datetime:
        if zone is not None or named is None:
            return wall.replace(tzinfo=zone or self._floating)
        own = self._own.get(named)
        zone = _known(named, own)
        if zone is None and own is not None:
            zone = timezone(_offset_at(wall, own))
        if zone is None:
            raise InvalidContent(
                "unknown-zone", "A time names a zone that nothing describes", where=where, fix="Ask the sender for it."
            )
        return wall.replace(tzinfo=zone)


def _place(found: Property) -> str:
    return found.name if found.name in _TIMES else "a property"


def duration(found: Property) -> timedelta:
    """A DURATION (section 3.3.6); raises ``InvalidContent``."""
    match = _DURATION.match(found.value)
    if match is None or not any(match.groups()[1:]):
        raise InvalidContent("not-a-duration", "The value is no duration of a calendar", where=_place(found), fix=_CURE)
    sign, weeks, days, hours, minutes, seconds = match.groups("0")
    length = timedelta(weeks=int(weeks), days=int(days), hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    return -length if sign == "-" else length


def _known(name: str, part: Component | None) -> ZoneInfo | None:
    """The database's zone of that name, or of the name that the calendar's own zone says it stands for."""
    located = part.one("X-LIC-LOCATION") if part is not None else None
    return _zone(name) or (_zone(located.value) if located is not None else None)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo | None:
    if len(name) > 128 or not name.isascii():
        return None
    parts = name.split("/")
    for candidate in (name, "/".join(parts[-3:]), "/".join(parts[-2:])):  # some write their own place before the name
        try:
            if re.fullmatch(r"[A-Za-z][\w+/-]*", candidate):
                return ZoneInfo(candidate)
        except (OSError, ValueError, KeyError):  # no such zone, or a name that is none
            continue
    return None


def _offset_at(wall: datetime, part: Component) -> timedelta:
    """The offset by a calendar's own rules; a time the wall never shows counts by the offset before the change."""
    changes = [_change(one) for one in part.components if one.name in ("STANDARD", "DAYLIGHT")]
    happened = [(at, change) for change in changes if (at := change.last(wall)) is not None]
    if not happened:
        if not changes:
            raise ValueError("a zone without rules")
        return min(changes, key=lambda one: one.start).before
    at, change = max(happened, key=lambda pair: pair[0])
    skipped = change.after - change.before
    return change.before if wall - at < skipped else change.after


def _change(part: Component) -> _Change:
    """Raises ``ValueError`` for rules of another kind than every year on a day of a month."""
    start, before, after = part.one("DTSTART"), part.one("TZOFFSETFROM"), part.one("TZOFFSETTO")
    if start is None or before is None or after is None:
        raise ValueError("a zone's change is not whole")
    rule = part.one("RRULE")
    rules = dict(_rules(rule.value)) if rule is not None else {}
    if rules and (rules.get("FREQ") != "YEARLY" or rules.get("INTERVAL", "1") != "1" or rules.keys() - _PARTS_OF_RULES):
        raise ValueError("a rule that zones do not have")
    begins = _wall(start.value)
    if any(name in rules and int(rules[name]) != int(begins.strftime(form)) for name, form in _CLOCK.items()):
        raise ValueError("a rule that begins at another time than it says")
    month = int(rules.get("BYMONTH", begins.month)) if rules else None
    if month is not None and not 1 <= month <= 12:
        raise ValueError("no month")
    day = _DAY.match(rules["BYDAY"]) if "BYDAY" in rules else None
    if "BYDAY" in rules and day is None:
        raise ValueError("no day")
    from_offset = _offset(before.value)
    until = _wall(rules["UNTIL"]) if "UNTIL" in rules else None
    return _Change(
        begins, from_offset, _offset(after.value),
        tuple(_wall(value) for one in part.all("RDATE") for value in one.value.split(",")),
        month, (int(day[1] or 1), _WEEKDAYS.index(day[2])) if day is not None else None,
        until + from_offset if until is not None and rules["UNTIL"].endswith("Z") else until,
    )  # fmt: skip


def _rules(value: str) -> Iterator[tuple[str, str]]:
    for one in value.upper().split(";"):
        name, _, text = one.partition("=")
        yield name, text


def _wall(value: str) -> datetime:
    match = _TIME.match(value)
    if match is None:
        raise ValueError("no time")
    return datetime.strptime(match[1], "%Y%m%dT%H%M%S")  # noqa: DTZ007 - on the wall of the zone being described


def _offset(value: str) -> timedelta:
    match = _OFFSET.match(value)
    if match is None:
        raise ValueError("no offset")
    sign, hours, minutes, seconds = match.groups("0")
    length = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    return -length if sign == "-" else length
