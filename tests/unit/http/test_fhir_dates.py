"""Dates of searches: the standard's forms alone, whole from the first day to the last, and what has no end."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.http.fhir_dates import extent, parse_range, window_of, within
from gateway.http.fhir_search import dated
from gateway.http.fhir_tokens import span, words
from gateway.http.refusal import HttpRefusal

OPEN = {"start": "2020-01-01", "end": "9999-12-31"}
"""How payers say that a policy has no end."""


@pytest.mark.parametrize(
    "text",
    [
        "20260302", "2026-W10", "2026-W10-1", "2026-3-2", "2026-03-02T15", "2026-03-02T09:30:00,5Z", "2026-02-30",
        "0000", "ap2026-03-02", "2026-03-01,2026-03-02", "xx2026", "ge", "2026-03-02 09:30",
    ],
)  # fmt: skip
def test_another_form_is_refused(text: str) -> None:
    """What FHIR has no such form for is not guessed at: an answer to another span of time would look right."""
    with pytest.raises(HttpRefusal) as caught:
        parse_range(text, "date")
    assert (caught.value.status, caught.value.where) == (400, "date")
    assert caught.value.fix


@pytest.mark.parametrize(
    "text", ["0001", "lt0001-01-01", "0001-01-01T00:00:00+14:00", "gt9999-12-31", "9999", "le9999-12", "9999-12-31"]
)
def test_the_first_and_the_last_day_are_days(text: str) -> None:
    """The ends of the calendar are searched like any other day, by opening and by the index."""
    one = parse_range(text, "date")
    assert one.start < one.end
    span([one])


@pytest.mark.parametrize(
    ("text", "matches"), [("2026-03-02", True), ("gt2026", True), ("lt2020", False), ("2019", False)]
)
def test_a_policy_until_the_last_day_there_is_lasts(text: str, matches: bool) -> None:
    """A coverage that ends in 9999 is found by every day since its start, by opening and by its word."""
    assert within(OPEN, parse_range(text, "date")) is matches
    assert list(words("Coverage", {"resourceType": "Coverage", "period": OPEN})) == [("date", "far")]


@pytest.mark.parametrize(
    ("made", "matches"),
    [
        ({"resourceType": "Encounter", "status": "finished", "period": {"start": "2026-03-02"}}, False),
        ({"resourceType": "Encounter", "status": "in-progress", "period": {"start": "2026-03-02"}}, True),
        ({"resourceType": "ExplanationOfBenefit", "status": "active", "billablePeriod": {"end": "2026-03-02"}}, False),
        ({"resourceType": "EpisodeOfCare", "status": "active", "period": {"start": "2026-03-02"}}, True),
    ],
)
def test_what_is_over_does_not_go_on(made: dict[str, Any], matches: bool) -> None:
    """A finished visit of which only the start is known is on its day; what goes on is on the days after it as well."""
    assert within(dated(made), parse_range("2026-03-02", "date"))
    assert within(dated(made), parse_range("2026-09-01", "date")) is matches
    assert extent(dated(made)) is not None


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-03-02T09:30:00.117787Z", 1), ("2026-03-02T09:30:00.117-06:00", 1000),
        ("2026-03-02T09:30:00Z", 1_000_000), ("2026-03-02T09:30:00.123456789+02:00", 1),
        ("2026-03-02T09:30:00.5", 100_000),
    ],
)  # fmt: skip
def test_a_moment_lasts_as_long_as_its_last_digit(text: str, micros: int) -> None:
    """Who asks for what changed after the last time seen, to its microsecond, loses nothing of the second after it."""
    asked = parse_range(f"gt{text}", "_lastUpdated")
    assert asked.end - asked.start == micros
    assert window_of([asked]) == (asked.start + micros, None)
