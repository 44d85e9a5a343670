"""Every converter: what it reads, what it refuses, and that no refusal repeats the value."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.converters import CONVERTERS
from gateway.mapping.times import Unconvertible
from gateway.model.null import NULL

CHICAGO = ZoneInfo("America/Chicago")


def convert(name: str, raw: Any, zone: str | None = "America/Chicago") -> Any:
    return CONVERTERS[name].bind(ZoneInfo(zone) if zone else None)(raw)


READS = [
    ("text", "  Smith ", "Smith"),
    ("text", "   ", None),
    ("text", True, "true"),
    ("text", 7, "7"),
    ("text", Decimal("1.50"), "1.50"),
    ("code", " ph ", "PH"),
    ("code", "", None),
    ("integer", " 45 ", 45),
    ("integer", "-3", -3),
    ("integer", 12, 12),
    ("integer", "007", 7),
    ("integer", "", None),
    ("boolean", "Y", True),
    ("boolean", "no", False),
    ("boolean", True, True),
    ("boolean", False, False),
    ("boolean", "1", True),
    ("boolean", 0, False),
    ("boolean", " ", None),
    ("decimal", "1.250", Decimal("1.250")),
    ("decimal", ".5", Decimal("0.5")),
    ("decimal", "-2.", Decimal(-2)),
    ("decimal", "", None),
    ("money", "34", Decimal("34.00")),
    ("money", "-5.5", Decimal("-5.50")),
    ("money", "0", Decimal("0.00")),
    ("money", "-0", Decimal("0.00")),
    ("money", " 1.00 ", Decimal("1.00")),
    ("money", " ", None),
    ("phone", "(555) 234-5678", "+15552345678"),
    ("phone", "1 555 234 5678", "+15552345678"),
    ("phone", "+44 20 7946 0000", "+442079460000"),
    ("phone", "555-1234", "555-1234"),
    ("phone", "call wife", "call wife"),
    ("phone", "(155) 234-5678", "(155) 234-5678"),
    ("phone", "", None),
    ("e164", "555.234.5678", "+15552345678"),
    ("e164", "2345678", None),
    ("e164", "555-234-5678 x2", None),
    ("e164", "+1234", None),
    ("e164", "", None),
    ("email", " A.B@Example.ORG ", "A.B@example.org"),
    ("email", "none", "none"),
    ("email", "@x", "@x"),
    ("email", "", None),
    ("zone", "America/Chicago", "America/Chicago"),
    ("zone", "", None),
    ("last_segment", "https://api.example.com/v1/patients/123", "123"),
    ("last_segment", "/patients/123/?x=1#y", "123"),
    ("last_segment", "123", "123"),
    ("last_segment", "https://", None),
    ("last_segment", "", None),
    ("family_name", "Smith, Mary Ann", "Smith"),
    ("family_name", "Mary Ann Smith", "Smith"),
    ("family_name", "Cher", "Cher"),
    ("family_name", ", Mary", None),
    ("family_name", " ", None),
    ("given_names", "Smith, Mary  Ann", "Mary Ann"),
    ("given_names", "Mary Ann Smith", "Mary Ann"),
    ("given_names", "Cher", None),
    ("given_names", "", None),
    ("date", "19840506", date(1984, 5, 6)),
    ("date", "1984-05-06", date(1984, 5, 6)),
    ("date", "19840506101112", date(1984, 5, 6)),
    ("date", "1984-05-06T10:11:12Z", date(1984, 5, 6)),
    ("date", "1984", NULL),
    ("date", "198405", NULL),
    ("date", "1984-05", NULL),
    ("date", "", None),
    ("partial_date", "1984", "1984"),
    ("partial_date", "1984-05", "1984-05"),
    ("partial_date", "19840506", NULL),
    ("partial_date", "", None),
    ("datetime", "20260109123000", datetime(2026, 1, 9, 12, 30, tzinfo=CHICAGO)),
    ("datetime", "202601091230", datetime(2026, 1, 9, 12, 30, tzinfo=CHICAGO)),
    ("datetime", "2026010912", datetime(2026, 1, 9, 12, tzinfo=CHICAGO)),
    ("datetime", "20260109123000.25", datetime(2026, 1, 9, 12, 30, 0, 250000, tzinfo=CHICAGO)),
    ("datetime", "20260109123000-0500", datetime(2026, 1, 9, 11, 30, tzinfo=CHICAGO)),
    ("datetime", "202601091230+0000", datetime(2026, 1, 9, 6, 30, tzinfo=CHICAGO)),
    ("datetime", "2026-01-09T18:30:00Z", datetime(2026, 1, 9, 12, 30, tzinfo=CHICAGO)),
    ("datetime", "2026-01-09 12:30", datetime(2026, 1, 9, 12, 30, tzinfo=CHICAGO)),
    ("datetime", "2026-01-09T12:30:00.123456-06:00", datetime(2026, 1, 9, 12, 30, 0, 123456, tzinfo=CHICAGO)),
    ("datetime", "", None),
    ("datetime_if_timed", "202601091230", datetime(2026, 1, 9, 12, 30, tzinfo=CHICAGO)),
    ("datetime_if_timed", "20260109", None),
    ("datetime_if_timed", "2026-01", None),
    ("time_as_sent", "20260109", None),
    ("time_as_sent", "2026", None),
    ("datetime_or_day", "20260109", datetime(2026, 1, 9, tzinfo=CHICAGO)),
    ("time_as_sent", "20260109123000", "20260109123000"),
    ("time_as_sent", "2026-01-09T12:30", "2026-01-09T12:30"),
    ("time_as_sent", "20260109123000-0600", NULL),
    ("time_as_sent", "2026-01-09T12:30Z", NULL),
    ("time_as_sent", "", None),
    ("instant", "20260105093306-0600", "2026-01-05T15:33:06.000000Z"),
    ("instant", "20260105093306", "2026-01-05T15:33:06.000000Z"),
    ("instant", "20260105", "2026-01-05T06:00:00.000000Z"),
    ("instant", "2026-01-05T15:33:06.5Z", "2026-01-05T15:33:06.500000Z"),
    ("instant", "", None),
]


@pytest.mark.parametrize(("name", "raw", "expected"), READS)
def test_a_converter_reads(name: str, raw: Any, expected: Any) -> None:
    """Each converter makes exactly this canonical value of exactly that raw value."""
    found = convert(name, raw)
    assert found == expected
    assert type(found) is type(expected)


REFUSES = [
    ("text", ["a"], "not-a-value"),
    ("text", {"a": 1}, "not-a-value"),
    ("code", [], "not-a-value"),
    ("integer", "4.0", "not-an-integer"),
    ("integer", "1_000", "not-an-integer"),
    ("integer", "٣", "not-an-integer"),
    ("integer", "9" * 19, "not-an-integer"),
    ("integer", "+", "not-an-integer"),
    ("boolean", "maybe", "not-a-boolean"),
    ("decimal", "1e5", "not-a-number"),
    ("decimal", "NaN", "not-a-number"),
    ("decimal", "1,250", "not-a-number"),
    ("decimal", "9" * 30, "not-a-number"),
    ("decimal", ".", "not-a-number"),
    ("money", "1.005", "not-money"),
    ("money", "$5", "not-money"),
    ("money", "Infinity", "not-money"),
    ("money", "9" * 30, "not-money"),
    ("zone", "Chicago", "not-a-zone"),
    ("zone", "../etc/passwd", "not-a-zone"),
    ("zone", "America", "not-a-zone"),
    ("date", "19841306", "not-a-date"),
    ("date", "05/06/1984", "not-a-date"),
    ("date", "1984050", "not-a-date"),
    ("date", "2026W01", "not-a-date"),
    ("date", "198413", "not-a-date"),
    ("partial_date", "May 1984", "not-a-date"),
    ("datetime", "20260109", "imprecise-time"),
    ("datetime", "2026-01-09", "imprecise-time"),
    ("datetime", "2026", "imprecise-time"),
    ("datetime_if_timed", "20261301", "not-a-date"),
    ("datetime_if_timed", "noon", "not-a-time"),
    ("datetime", "20261301123000", "not-a-time"),
    ("datetime", "20260109250000", "not-a-time"),
    ("datetime", "20260109123060", "not-a-time"),
    ("datetime", "202601091230.5", "not-a-time"),
    ("datetime", "noon", "not-a-time"),
    ("datetime", "2026010912300٣", "not-a-time"),
    ("datetime", "20260109123000-9900", "not-a-time"),
    ("datetime", "99991231235959", "not-a-time"),
    ("datetime", "00010101000000", "not-a-time"),
    ("time_as_sent", "noon", "not-a-time"),
    ("instant", "noon", "not-a-time"),
    ("instant", "99991231", "not-a-time"),
]


@pytest.mark.parametrize(("name", "raw", "reason"), REFUSES)
def test_a_converter_refuses(name: str, raw: Any, reason: str) -> None:
    """What a converter cannot read is refused with a stable reason, and nothing of the error repeats the value."""
    with pytest.raises(Unconvertible) as caught:
        convert(name, raw)
    assert caught.value.reason == reason
    error: BaseException | None = caught.value
    while error is not None:
        assert len(str(raw)) < 4 or str(raw) not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("name", ["datetime", "instant"])
def test_a_time_without_offset_needs_a_zone(name: str) -> None:
    """Without a bound zone a wall time is refused, and a time with its offset is read."""
    with pytest.raises(Unconvertible) as caught:
        convert(name, "20260109123000", None)
    assert caught.value.reason == "no-zone"
    assert convert(name, "20260109123000-0600", None) is not None


def test_a_time_the_clocks_skip_moves_forward() -> None:
    """When clocks go forward, 02:30 is read by the offset before the change and shown as 03:30."""
    found = convert("datetime", "20260308023000")
    assert (found.hour, found.minute, found.utcoffset()) == (3, 30, timedelta(hours=-5))
    assert found == datetime(2026, 3, 8, 8, 30, tzinfo=UTC)


def test_a_time_the_clocks_show_twice_is_the_first() -> None:
    """When clocks go back, 01:30 is the first one, unless the sender gave the offset of the second."""
    assert convert("datetime", "20261101013000") == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert convert("datetime", "20261101013000-0600") == datetime(2026, 11, 1, 7, 30, tzinfo=UTC)


ZONES = st.sampled_from(
    [
        "America/Chicago",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Asia/Kathmandu",
    ]
)


@given(st.datetimes(datetime(1950, 1, 1), datetime(2060, 1, 1)), ZONES)
def test_every_wall_time_is_one_moment(wall: datetime, zone: str) -> None:
    """A wall time gives the moment that PEP 495 gives it with fold 0, and reading it again gives it again."""
    wall = wall.replace(microsecond=0)
    found = convert("datetime", wall.strftime("%Y%m%d%H%M%S").rjust(14, "0"), zone)
    assert found.astimezone(UTC) == wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert found.utcoffset() == found.astimezone(UTC).astimezone(ZoneInfo(zone)).utcoffset()


@given(
    st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)), min_size=2, max_size=5)
)
def test_instants_sort_as_text(moments: list[datetime]) -> None:
    """The text form of a source version sorts like the time it names."""
    texts = [convert("instant", moment.isoformat()) for moment in moments]
    assert [text for _, text in sorted(zip(moments, texts, strict=True))] == sorted(texts)


@given(st.sampled_from(sorted(CONVERTERS)), st.text(max_size=30) | st.integers() | st.booleans() | st.decimals())
def test_no_value_makes_a_converter_crash(name: str, raw: Any) -> None:
    """Whatever a source wrote is converted or refused, never anything else."""
    with contextlib.suppress(Unconvertible):
        convert(name, raw)
