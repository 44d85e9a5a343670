"""The made-up clinic: the same from the same seed, and plausible."""

from __future__ import annotations

from collections import Counter
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from gateway.testing.synthetic_clinic import synthetic_clinic


def test_a_seed_gives_one_clinic() -> None:
    """Equal arguments give equal clinics, another seed another one."""
    assert synthetic_clinic(5) == synthetic_clinic(5)
    assert synthetic_clinic(5) != synthetic_clinic(6)


@given(first=st.dates(date(2020, 1, 1), date(2030, 1, 1)), visits=st.integers(1, 400))
def test_visits_are_possible(first: date, visits: int) -> None:
    """Nobody treats two patients at once; visits are on weekdays from the first day on, and refer to what exists."""
    clinic = synthetic_clinic(3, visits=visits, first_day=first)
    assert len({(visit.therapist, visit.start) for visit in clinic.visits}) == visits
    assert all(visit.start.weekday() < 5 and visit.start.date() >= first for visit in clinic.visits)
    assert [visit.start for visit in clinic.visits] == sorted(visit.start for visit in clinic.visits)
    assert all(visit.booked_at < visit.start < visit.end for visit in clinic.visits)
    people, staff = {one.key for one in clinic.patients}, {one.key for one in clinic.therapists}
    assert all(visit.patient in people and visit.therapist in staff for visit in clinic.visits)


def test_outcomes_have_their_shares() -> None:
    """About one visit in twelve is cancelled and one in twenty missed, each cancellation with a reason."""
    clinic = synthetic_clinic(1, visits=4000)
    counted = Counter(visit.outcome for visit in clinic.visits)
    assert 0.06 < counted["cancelled"] / 4000 < 0.10
    assert 0.03 < counted["no-show"] / 4000 < 0.07
    assert all((visit.cancel_reason != "") == (visit.outcome == "cancelled") for visit in clinic.visits)
