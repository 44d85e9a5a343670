"""Waking hours: when a message may reach a patient, whatever the clocks do. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.model.patient import Patient

_DAY = timedelta(days=1)


class Hours(NamedTuple):
    """From when until when on the clocks of all zones the patient may be in."""

    zones: tuple[ZoneInfo, ...]
    opens: time
    closes: time

    def window(self, day: date) -> tuple[datetime, datetime]:
        """Of a day, in UTC; the second lies before the first where the zones leave no hour."""
        starts = [datetime.combine(day, self.opens, zone).astimezone(UTC) for zone in self.zones]
        ends = [datetime.combine(day, self.closes, zone).astimezone(UTC) for zone in self.zones]
        return max(starts), min(ends)

    def is_open(self, at: datetime) -> bool:
        """Whether a message may go out now."""
        return all(self.opens <= at.astimezone(zone).time() < self.closes for zone in self.zones)

    def closing(self, at: datetime) -> datetime:
        """The end of the open hours that ``at`` lies in."""
        return self.window(self.day(at))[1]

    def next_opening(self, at: datetime) -> datetime:
        """The first open moment from ``at`` on; ``at`` itself when it is open."""
        if self.is_open(at):
            return at
        day = self.day(at) - _DAY
        return next(opens for number in range(4) if (opens := self.window(day + number * _DAY)[0]) > at)

    def last_closing(self, at: datetime) -> datetime:
        """The last end of open hours before ``at``."""
        day = self.day(at) + _DAY
        return next(end for number in range(4) if (end := self.window(day - number * _DAY)[1]) <= at)

    def day(self, at: datetime) -> date:
        """The patient's day."""
        return at.astimezone(self.zones[0]).date()


@cache
def _by_state() -> dict[str, Sequence[str]]:
    text = files("gateway_reminders").joinpath("translate_zones.toml").read_text("utf-8")
    found: dict[str, Sequence[str]] = tomllib.loads(text)["zones"]
    return found


def zones_of(patient: Patient, clinic: str) -> tuple[ZoneInfo, ...]:
    """The zones of the patient's home state, or the clinic's where the address tells none."""
    for address in patient.addresses:
        names = _by_state().get((address.state or "").strip().upper())
        if names and (address.country or "US").upper() in ("US", "USA"):
            if clinic in names:
                return (ZoneInfo(clinic),)
            return tuple(ZoneInfo(name) for name in names)
    return (ZoneInfo(clinic),)


def before(start: datetime, hours: float, zone: ZoneInfo) -> datetime:
    """So many hours before a visit: whole days keep the hour on the wall, whatever the clocks do between."""
    days, rest = divmod(hours, 24)
    local = start.astimezone(zone)
    if rest:
        return start.astimezone(UTC) - timedelta(hours=hours)
    return (local - timedelta(days=days)).astimezone(UTC)
