"""Times of calendars, held against the IANA database as an independent authority."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.errors import InvalidContent
from gateway.wire.ical import Component, Reader, read_line
from gateway.wire.ical_time import Zones, duration

CHICAGO = ZoneInfo("America/Chicago")
RULES = """BEGIN:VCALENDAR
BEGIN:VTIMEZONE
TZID:{name}
{more}BEGIN:STANDARD
DTSTART:20071104T020000
RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU
TZOFFSETFROM:{summer}
TZOFFSETTO:{winter}
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:20070311T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU
TZOFFSETFROM:{winter}
TZOFFSETTO:{summer}
END:DAYLIGHT
END:VTIMEZONE
END:VCALENDAR
"""


def zone_part(**fields: str) -> Component:
    held = {"name": "Clinic", "more": "", "summer": "-0500", "winter": "-0600", **fields}
    (found,) = Reader().feed(RULES.format(**held).encode())
    assert isinstance(found, Component)
    return found


OWN = Zones([zone_part()], UTC)


def test_a_calendars_own_rules_say_what_the_database_says() -> None:
    """Every hour of three years, those of both clock changes included, which the database reads by the same rule."""
    wall = datetime(2025, 1, 1)
    while wall.year < 2028:
        found = OWN.read(read_line(f"DTSTART;TZID=Clinic:{wall:%Y%m%dT%H%M%S}"))
        assert isinstance(found, datetime)
        assert found.astimezone(UTC) == wall.replace(tzinfo=CHICAGO).astimezone(UTC), wall
        wall += timedelta(minutes=60)


def test_a_last_sunday_and_single_dates_are_rules_too() -> None:
    """Europe's rule counts from the end of the month; a change may also be listed by its date, or end."""
    text = RULES.format(name="London", more="", summer="+0100", winter="+0000").replace("20071104T02", "20071028T02")
    text = text.replace("BYMONTH=11;BYDAY=1SU", "BYMONTH=10;BYDAY=-1SU").replace("20070311T02", "20070325T01")
    (part,) = Reader().feed(text.replace("BYMONTH=3;BYDAY=2SU", "BYMONTH=3;BYDAY=-1SU").encode())
    wall = datetime(2026, 1, 1, 12)
    for day in range(700):
        noon = wall + timedelta(days=day)
        found = Zones([part], UTC).read(read_line(f"DTSTART;TZID=London:{noon:%Y%m%dT%H%M%S}"))
        assert found.utcoffset() == noon.replace(tzinfo=ZoneInfo("Europe/London")).utcoffset()
    listed = text.replace("RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", "RDATE:20261025T020000")
    ended = listed.replace("BYMONTH=3;BYDAY=2SU", "BYMONTH=3;BYDAY=2SU;UNTIL=20260401T000000Z")
    (part,) = Reader().feed(ended.encode())
    for day, offset in (("20260701", 1), ("20261101", 0), ("20270701", 0)):
        found = Zones([part], UTC).read(read_line(f"DTSTART;TZID=London:{day}T120000"))
        assert found.utcoffset() == timedelta(hours=offset), day


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("DTSTART:20260715T140000Z", datetime(2026, 7, 15, 14, tzinfo=UTC)),
        ("DTSTART:20260715T090000", datetime(2026, 7, 15, 9, tzinfo=CHICAGO)),
        ("DTSTART;TZID=America/Denver:20260715T080000", datetime(2026, 7, 15, 14, tzinfo=UTC)),
        ("DTSTART;TZID=/citadel.org/20210210_1/America/Denver:20260715T080000", datetime(2026, 7, 15, 14, tzinfo=UTC)),
        ("DTSTART;TZID=/a.org/America/Indiana/Knox:20260715T090000", datetime(2026, 7, 15, 14, tzinfo=UTC)),
        ("DTSTART;VALUE=DATE:20260715", date(2026, 7, 15)),
    ],
)
def test_every_form_of_a_time_is_read(line: str, expected: datetime | date) -> None:
    """UTC, floating, in a named zone, in a name behind somebody's own place, and whole days."""
    assert Zones([], CHICAGO).read(read_line(line)) == expected


@pytest.mark.parametrize(("hour", "read"), [("2", True), ("3", False)])
def test_a_rule_may_repeat_the_time_of_its_beginning(hour: str, read: bool) -> None:
    """BYHOUR and BYMINUTE that say what the beginning says change nothing; any other is a rule of another kind."""
    clock = f";BYHOUR={hour};BYMINUTE=0"
    text = RULES.format(name="Clinic", more="", summer="-0500", winter="-0600").replace("1SU", "1SU" + clock)
    (part,) = Reader().feed(text.encode())
    found = read_line("DTSTART;TZID=Clinic:20261101T120000")
    if read:
        assert Zones([part], UTC).read(found) == datetime(2026, 11, 1, 18, tzinfo=UTC)
    else:
        with pytest.raises(InvalidContent):
            Zones([part], UTC).read(found)


def test_a_zone_says_what_it_stands_for() -> None:
    """X-LIC-LOCATION goes before the calendar's own rules, and such a zone need not be kept with a message."""
    part = zone_part(name="Mountain", more="X-LIC-LOCATION:America/Denver\n")
    found = read_line("DTSTART;TZID=Mountain:20260715T080000")
    assert Zones([part], UTC).read(found) == datetime(2026, 7, 15, 14, tzinfo=UTC)
    assert Zones([part], UTC).needed([found]) == ()
    assert OWN.needed([read_line("DTSTART;TZID=Clinic:20260715T080000")]) == (zone_part(),)


@pytest.mark.parametrize(
    "line",
    [
        "DTSTART:20261315T140000Z", "DTSTART:2026-07-15", "DTSTART:", "DTSTART;TZID=Nowhere:20260715T080000",
        "DTSTART;TZID=../../etc/passwd:20260715T080000", "DTSTART;TZID=Clinic:00010101T000000",
        "DTSTART;TZID=Odd:20260715T080000",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_without_its_value(line: str) -> None:
    """Wrong times, unknown zones and rules of other kinds are told by the property's name."""
    odd = RULES.format(name="Odd", more="", summer="-0500", winter="-0600").replace("YEARLY", "DAILY")
    (part,) = Reader().feed(odd.encode())
    with pytest.raises(InvalidContent) as raised:
        Zones([part, zone_part()], UTC).read(read_line(line))
    assert raised.value.where == "DTSTART"
    assert not any(char.isdigit() for char in str(raised.value))


@pytest.mark.parametrize(
    ("value", "minutes"), [("PT45M", 45), ("P1DT1H", 1500), ("-PT15M", -15), ("P2W", 20160), ("+PT60S", 1)]
)
def test_durations_are_read(value: str, minutes: int) -> None:
    """Weeks alone, or days and a time."""
    assert duration(read_line(f"DURATION:{value}")) == timedelta(minutes=minutes)
    for wrong in ("P", "PT", "1H", "P1H", "PT1.5H", value + "x"):
        with pytest.raises(InvalidContent, match="no duration"):
            duration(read_line(f"DURATION:{wrong}"))


def test_a_property_of_the_senders_own_making_is_not_named():
    """Names of the standard are told as the place; any other may hold what nobody may read."""
    zones = Zones((), CHICAGO)
    for line, place in (
        ("DTSTART:noon", "DTSTART"),
        ("X-ROE-JANE:noon", "a property"),
        ("DTSTARTZ:noon", "a property"),
    ):
        for read in (zones.read, duration):
            with pytest.raises(InvalidContent) as caught:
                read(read_line(line))
            assert caught.value.where == place
