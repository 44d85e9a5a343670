"""Waking hours, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.patient import Address, Patient
from gateway_reminders.reactor_wish import move
from gateway_reminders.translate_hours import Hours, before, zones_of
from tests.unit.plugins.reminders.told import consent, derived, patient, visit

CHICAGO = ZoneInfo("America/Chicago")
HOUR = timedelta(hours=1)


def waking(*zones: str) -> Hours:
    return Hours(tuple(ZoneInfo(zone) for zone in zones), time(8), time(21))


def local(text: str, zone: ZoneInfo = CHICAGO) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("visit", "reminder"),
    [
        ("2026-03-08T10:00", "2026-03-07T10:00"),  # the clocks go forward between
        ("2026-11-01T10:00", "2026-10-31T10:00"),  # and back
        ("2028-03-01T10:00", "2028-02-29T10:00"),  # a leap day
        ("2027-03-01T10:00", "2027-02-28T10:00"),
    ],
)
def test_a_day_before_is_the_same_time_on_the_wall(visit: str, reminder: str) -> None:
    """Whole days are counted on the clinic's clock, hours in elapsed time."""
    assert before(local(visit), 24, CHICAGO) == local(reminder)
    assert local(visit) - before(local(visit), 2, CHICAGO) == 2 * HOUR


def test_what_falls_into_the_night_moves_to_where_it_is_of_use() -> None:
    """To the morning where that is early enough, else to the evening before, else it is dropped."""
    hours = waking("America/Chicago")
    early = local("2026-07-15T06:30")
    assert move(early, local("2026-07-15T12:00"), hours) == local("2026-07-15T08:00")
    assert move(early, local("2026-07-15T07:45"), hours) == local("2026-07-14T20:00")
    assert move(local("2026-07-15T12:00"), local("2026-07-15T11:00"), hours) is None


def test_a_state_with_two_zones_must_be_awake_in_both() -> None:
    """A patient whose zone is not certain is written to only when every candidate is awake."""
    both = waking("America/New_York", "America/Chicago")
    new_york = ZoneInfo("America/New_York")
    assert not both.is_open(local("2026-07-15T08:30", new_york))
    assert both.is_open(local("2026-07-15T09:00", new_york))
    assert not both.is_open(local("2026-07-15T21:00", new_york))


@pytest.mark.parametrize(
    ("state", "clinic", "zones"),
    [
        ("FL", "America/Chicago", ["America/Chicago"]),
        ("FL", "America/Denver", ["America/New_York", "America/Chicago"]),
        ("ca", "America/Chicago", ["America/Los_Angeles"]),
        (None, "America/Chicago", ["America/Chicago"]),
        ("XX", "America/Chicago", ["America/Chicago"]),
    ],
)
def test_the_patients_zone_is_that_of_the_home_state(state: str | None, clinic: str, zones: list[str]) -> None:
    """The state decides, the clinic settles doubt, and without an address the clinic's zone is taken."""
    one = Patient(addresses=(Address(state=state),))
    assert [zone.key for zone in zones_of(one, clinic)] == zones


@given(st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC)), st.integers(1, 200))
def test_nothing_is_ever_due_in_the_night(start: datetime, ahead: int) -> None:
    """For any visit on any day of years with every change of clocks, what is due is due within waking hours."""
    hours = waking("America/Chicago")
    for now in (start - ahead * HOUR, start - ahead * HOUR / 7):
        for one in derived(patient(), consent(), visit(start=start), now=now).records:
            if one.fields["state"] == "due":
                assert hours.is_open(now)
                assert one.fields["until"] <= min(start, hours.closing(now))
            if one.fields["state"] == "planned":
                assert hours.is_open(one.fields["due_at"])


@given(st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC)))
def test_a_walk_from_look_to_look_sends_each_step_once(start: datetime) -> None:
    """Looking exactly when asked to, each step is due at one time, and a look a day late sends nothing twice."""
    members = (patient(), consent(), visit(start=start))
    now, due = start - timedelta(days=20), set()
    for _ in range(60):
        found = derived(*members, now=now)
        due |= {one.native_id for one in found.records if one.fields["state"] == "due"}
        if found.again is None:
            break
        now = found.again
    assert now >= start
    assert 2 <= len(due) <= 3
