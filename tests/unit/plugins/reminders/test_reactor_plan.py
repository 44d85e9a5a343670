"""A patient's reminders lived through, look by look, while the clock does what clocks do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.model.exchange import Snapshot
from gateway_reminders.config import RemindersConfig
from gateway_reminders.reactor import Reminders
from gateway_reminders.translate_hours import Hours
from tests.unit.plugins.reminders.told import CLINIC, ZONE, consent, patient, sent, visit

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WAKING = Hours((ZoneInfo(ZONE),), time(8), time(21))
STEPS = Counter({"two-days": 1, "one-day": 1, "two-hours": 1})
DAYS = {
    "ordinary": "2026-07-15T10:00",
    "day the clocks go forward": "2026-03-08T10:00",
    "day after they went forward": "2026-03-09T10:00",
    "day the clocks go back": "2026-11-01T10:00",
    "day after they went back": "2026-11-02T10:00",
    "leap day": "2028-02-29T10:00",
    "day after the leap day": "2028-03-01T10:00",
    "new year": "2027-01-01T10:00",
}
CLOCKS: dict[str, Callable[[float], timedelta]] = {
    "right": lambda left: 0 * DAY,
    "a day late for six hours": lambda left: -DAY if 30 >= left > 24 else 0 * DAY,
    "a day late until the end": lambda left: -DAY if left <= 30 else 0 * DAY,
    "a day early for an hour": lambda left: DAY if 40 >= left > 39 else 0 * DAY,
    "an hour late from the start": lambda left: -HOUR,
}
"""By what each is wrong, so many hours before the visit."""


def lived(start: datetime, wrong_by: Callable[[float], timedelta]) -> list[tuple[str, datetime, datetime]]:
    """Step, time on the clock and end of usefulness of everything that was sent, looking every half hour."""
    settings = RemindersConfig.model_validate(CLINIC)
    outbox: dict[str, Snapshot] = {}
    went: list[tuple[str, datetime, datetime]] = []
    for half in range(80 * 2, -26 * 2, -1):
        left = half / 2
        now = start - left * HOUR + wrong_by(left)
        members = (patient(), consent(), visit(start=start), *outbox.values())
        for one in Reminders().derive("patient:p", members, settings, now).records:
            if one.fields["state"] == "due" and now < one.fields["until"]:
                occasion = str(one.fields["occasion"])
                assert occasion not in outbox
                outbox[occasion] = sent(occasion, now)
                went.append((str(one.fields["step"]), now, one.fields["until"]))
    return went


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("day", DAYS)
def test_every_step_once_and_none_in_the_night(day: str, clock: str) -> None:
    """Whatever the calendar and the clock do, each step goes out once, none twice, all in waking hours and in time."""
    start = datetime.fromisoformat(DAYS[day]).replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
    went = lived(start, CLOCKS[clock])
    assert Counter(step for step, _, _ in went) == STEPS
    assert all(WAKING.is_open(now) for _, now, _ in went)
    assert all(now < until <= start for _, now, until in went)
