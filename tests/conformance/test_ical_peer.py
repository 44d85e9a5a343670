"""Calendars beside another implementation, icalendar: what it writes, and the calendars that it is tested with."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.ical import Component, Reader, read_line, text
from gateway.wire.ical_time import Zones

icalendar = pytest.importorskip("icalendar", reason="the development group is not installed: run `make`")

ZONES = ("America/Chicago", "America/Phoenix", "America/St_Johns", "Australia/Lord_Howe", "Europe/London")
PLAIN = st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S", "Zs"))
WORDS = st.text(PLAIN | st.sampled_from("\n;,\\:"), max_size=120)
NAMES = st.text(PLAIN, min_size=1, max_size=90).filter(lambda name: not set('"^') & set(name) and name.strip())
UNLIKE = frozenset((
    "issue_1081_invalid_start_valid_end", "issue_1081_invalid_start_and_end", "broken_dtstart", "issue_168_input",
    "timezone_rdate", "multiple_calendar_components", "issue_218_bad_tzid",
    "issue_526_calendar_with_different_events", "issue_526_calendar_with_event_subset",
    "issue_526_calendar_with_events", "issue_526_calendar_with_shuffeled_events",
    "issue_722_missing_VTIMEZONE_custom", "timezone_same_start_and_offset", "pr_480_summary_with_colon",
    "small_bad_calendar", "big_bad_calendar", "issue_178_component_with_invalid_name_represented",
    "issue_178_custom_component_contains_other", "issue_82_expected_output", "fuzz_testcase_0_char_in_component_name",
    "fuzz_testcase_vtimezone_lone_cr", "fuzz_testcase_invalid_month", "parsing_error_in_UTC_offset",
    "issue_104_broken_calendar", "america_new_york_forward_reference", "pacific_fiji",
))  # fmt: skip
"""Where one of the two refuses on purpose. We guess no zone that nothing describes, and take no time that is none, no
line that is no content line and no calendar without its begin and end; the other fails at the last six."""
FLOATING = ZoneInfo("Europe/Paris")
WALL = st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)).map(lambda at: at.replace(microsecond=0))


def read(data: bytes, cut: int = 0) -> list[Component]:
    """The parts of a calendar that arrived in two pieces."""
    reader = Reader()
    parts = [*reader.feed(data[:cut]), *reader.feed(data[cut:]), *reader.close()]
    assert reader.complete
    return [one for one in parts if isinstance(one, Component)]


def written(event: icalendar.Event, *parts: object) -> bytes:
    calendar = icalendar.Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//peer//")
    for one in (*parts, event):
        calendar.add_component(one)
    return bytes(calendar.to_ical())


@settings(max_examples=25, deadline=None)
@given(summary=WORDS, name=NAMES, cut=st.integers(0, 400))
def test_what_the_other_writes_is_read_as_it_was_meant(summary: str, name: str, cut: int) -> None:
    """Escapes, quotes and folds that cut letters give back the text and the parameter that were put in."""
    event = icalendar.Event()
    event.add("uid", "1")
    event.add("summary", summary)
    event.add("attendee", "mailto:a@x.example", parameters={"CN": name, "ROLE": "CHAIR"})
    (found,) = read(written(event), cut)
    told, attendee = found.one("SUMMARY"), found.one("ATTENDEE")
    assert told is not None
    assert attendee is not None
    assert text(told.value) == summary
    assert (attendee.parameter("CN"), attendee.parameter("ROLE")) == (name, "CHAIR")
    assert attendee.value == "mailto:a@x.example"


@settings(max_examples=25, deadline=None)
@given(wall=WALL, zone=st.sampled_from(ZONES), minutes=st.integers(1, 600))
def test_times_and_days_are_the_same_moments(wall: datetime, zone: str, minutes: int) -> None:
    """In UTC, in a zone of the database and as a whole day."""
    starts, ends = wall.replace(tzinfo=ZoneInfo(zone)), wall.replace(tzinfo=UTC) + timedelta(minutes=minutes)
    event = icalendar.Event()
    event.add("dtstart", starts)
    event.add("dtend", ends)
    event.add("recurrence-id", wall.date())
    (found,) = read(written(event))
    zones = Zones((), UTC)
    moments = [zones.read(one) for name in ("DTSTART", "DTEND", "RECURRENCE-ID") for one in found.all(name)]
    assert [one if type(one) is date else one.astimezone(UTC) for one in moments] == [
        starts.astimezone(UTC), ends, wall.date(),
    ]  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
def test_the_zones_that_the_other_describes_are_read_by_their_rules(zone: str) -> None:
    """Under a name that no database has, every eleventh hour of three years is the moment that the database says."""
    described = icalendar.Timezone.from_tzid(zone, first_date=date(2024, 1, 1), last_date=date(2028, 1, 1))
    data = written(icalendar.Event(), described).replace(f"TZID:{zone}".encode(), b"TZID:Clinic Time")
    own = [one for one in read(data) if one.name == "VTIMEZONE"]
    zones, place = Zones(own, UTC), ZoneInfo(zone)
    wall = datetime(2024, 6, 1)
    while wall.year < 2027:
        found = zones.read(read_line(f"DTSTART;TZID=Clinic Time:{wall:%Y%m%dT%H%M%S}"))
        assert isinstance(found, datetime)
        assert found.astimezone(UTC) == wall.replace(tzinfo=place).astimezone(UTC), wall
        wall += timedelta(hours=11)


def moment(value: date | datetime) -> datetime | date:
    """What can be compared: a day, or a moment; a time without a zone counts in one."""
    if not isinstance(value, datetime):
        return value
    return (value if value.tzinfo is not None else value.replace(tzinfo=FLOATING)).astimezone(UTC)


def ours(data: bytes) -> Counter[tuple[str, object]]:
    """UID and beginning of each event as we read them."""
    parts = read(data)
    zones = Zones((one for one in parts if one.name == "VTIMEZONE"), FLOATING)
    return Counter(
        (uid.value if (uid := one.one("UID")) else "", moment(zones.read(start)))
        for one in parts
        if one.name == "VEVENT" and (start := one.one("DTSTART")) is not None
    )


def theirs(data: bytes) -> Counter[tuple[str, object]]:
    """The same by the other implementation."""
    return Counter(
        (str(one.get("UID", "")), moment(one.decoded("DTSTART")))
        for calendar in icalendar.Calendar.from_ical(data, multiple=True)
        for one in calendar.walk("VEVENT")
        if "DTSTART" in one
    )


@pytest.mark.filterwarnings("ignore::icalendar.error.GloballyUniqueTZIDGuessed")  # we take such a name for the same
def test_its_own_calendars_hold_the_same_events() -> None:
    """Of each calendar that it is tested with we read as many events, with the same UIDs and beginnings."""
    found, other = {}, {}
    for one in (files("icalendar") / "tests" / "calendars").iterdir():
        if one.name.endswith(".ics") and one.name.removesuffix(".ics") not in UNLIKE:
            found[one.name], other[one.name] = ours(one.read_bytes()), theirs(one.read_bytes())
    assert found == other
    assert sum(counted.total() for counted in found.values()) > 50
