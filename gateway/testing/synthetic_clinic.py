"""A made-up therapy clinic: people and visits drawn from a seed, so that simulators and tests share one neutral world.

The same arguments always give the same clinic. Nobody in it exists: telephone numbers are from the ranges kept for
fiction, e-mail addresses from reserved domains.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

_GIVEN = {
    "female": ("Ava", "Bea", "Carla", "Dinah", "Esra", "Farah", "Gwen", "Hana", "Ines", "Joy", "Kira", "Lucía"),
    "male": ("Abel", "Boris", "Caleb", "Dara", "Emil", "Felix", "Goran", "Hugo", "Ivo", "Jonas", "Karim", "Luis"),
}
_FAMILY = (
    "Abara", "Brandt", "Castillo", "Dubois", "Eriksen", "Farouk", "Grün", "Hayashi", "Ivanova", "Jensen", "Kowalski",
    "Laurent", "Moreau", "Nakamura", "O'Neill", "Petrov", "Quispe", "Rossi", "Silva", "Tanaka", "Underhill", "Vargas",
)  # fmt: skip
_STREETS = ("Elm Street", "Harbour Road", "King Street", "Mill Lane", "Ocean Drive", "Station Road")
_PLACES = (("Northside", "TX", "75001"), ("Southgate", "TX", "75002"), ("Riverview", "TX", "75003"))
_KINDS = ("Initial evaluation", "Follow-up treatment", "Re-evaluation")
_CANCEL_REASONS = ("feeling-better", "condition-worse", "sick", "away", "other", "work")

Outcome = Literal["booked", "arrived", "cancelled", "no-show"]


@dataclass(frozen=True, slots=True)
class SyntheticPlace:
    """One clinic building."""

    key: int
    name: str
    street: str
    city: str
    state: str
    postal_code: str
    zone: str


@dataclass(frozen=True, slots=True)
class SyntheticPerson:
    """A patient or a therapist; ``key`` counts from 1 within its kind."""

    key: int
    given: str
    family: str
    sex: Literal["female", "male"]
    birth_date: date
    phone: str
    email: str
    street: str
    city: str
    state: str
    postal_code: str


@dataclass(frozen=True, slots=True)
class SyntheticVisit:
    """One booked time; the fields but ``key`` and ``kind`` name people and places by their keys."""

    key: int
    patient: int
    therapist: int
    place: int
    start: datetime
    end: datetime
    kind: str
    outcome: Outcome
    cancel_reason: str
    """One of six plain words; empty unless cancelled."""
    booked_at: datetime


@dataclass(frozen=True, slots=True)
class SyntheticClinic:
    """All of it; visits are in order of their start."""

    places: tuple[SyntheticPlace, ...]
    therapists: tuple[SyntheticPerson, ...]
    patients: tuple[SyntheticPerson, ...]
    visits: tuple[SyntheticVisit, ...]


def synthetic_clinic(
    seed: int = 1,
    *,
    places: int = 2,
    therapists: int = 4,
    patients: int = 60,
    visits: int = 120,
    first_day: date = date(2026, 3, 2),
    zone: str = "America/Chicago",
) -> SyntheticClinic:
    """Draw a clinic: half-hour visits from 8 to 17 local time on weekdays, no therapist booked twice at once.

    Of the visits about 8 % are cancelled, 5 % no-shows, 25 % arrived and the rest booked.
    """
    draw = random.Random(seed)  # noqa: S311 - reproducible fiction, not a secret
    sites = tuple(_place(key, zone) for key in range(1, places + 1))
    staff = tuple(_person(draw, key, 1965, 1998) for key in range(1, therapists + 1))
    people = tuple(_person(draw, key, 1935, 2015) for key in range(1, patients + 1))
    booked = tuple(_visit(draw, number, sites, therapists, patients, first_day) for number in range(visits))
    return SyntheticClinic(sites, staff, people, booked)


def _place(key: int, zone: str) -> SyntheticPlace:
    city, state, postal_code = _PLACES[(key - 1) % len(_PLACES)]
    return SyntheticPlace(key, f"{city} Physical Therapy", f"{key * 10} Clinic Way", city, state, postal_code, zone)


def _person(draw: random.Random, key: int, since: int, until: int) -> SyntheticPerson:
    sex: Literal["female", "male"] = draw.choice(("female", "male"))
    given, family = draw.choice(_GIVEN[sex]), draw.choice(_FAMILY)
    city, state, postal_code = draw.choice(_PLACES)
    return SyntheticPerson(
        key=key,
        given=given,
        family=family,
        sex=sex,
        birth_date=date(since, 1, 1) + timedelta(days=draw.randrange((until - since) * 365)),
        phone=f"(202) 555-{draw.randrange(100, 200):04d}",
        email=f"person{draw.randrange(10**6):06d}@example.com",
        street=f"{draw.randrange(1, 999)} {draw.choice(_STREETS)}",
        city=city,
        state=state,
        postal_code=postal_code,
    )


def _visit(
    draw: random.Random, number: int, places: tuple[SyntheticPlace, ...], therapists: int, patients: int, first: date
) -> SyntheticVisit:
    """The next free half hour: all therapists in turn, then the next time, 18 times a day."""
    slot, therapist = divmod(number, therapists)
    day_number, half_hour = divmod(slot, 18)
    day = _weekday(first, day_number)
    place = places[therapist % len(places)]
    local = datetime.combine(day, time(8), ZoneInfo(place.zone)) + timedelta(minutes=30 * half_hour)
    roll = draw.random()
    outcome: Outcome = (
        "cancelled" if roll < 0.08 else "no-show" if roll < 0.13 else "arrived" if roll < 0.38 else "booked"
    )
    reason = draw.choice(_CANCEL_REASONS)
    return SyntheticVisit(
        key=number + 1,
        patient=draw.randrange(patients) + 1,
        therapist=therapist + 1,
        place=place.key,
        start=local,
        end=local + timedelta(minutes=30),
        kind=draw.choice(_KINDS),
        outcome=outcome,
        cancel_reason=reason if outcome == "cancelled" else "",
        booked_at=local - timedelta(days=draw.randrange(1, 15), minutes=draw.randrange(600)),
    )


def _weekday(first: date, number: int) -> date:
    """The weekday ``number`` weekdays after ``first``, or after the Monday that follows it."""
    monday = first - timedelta(days=first.weekday())
    begin = min(5, first.weekday())  # the fifth weekday counted from Monday is the next Monday
    weeks, weekday = divmod(begin + number, 5)
    return monday + timedelta(weeks=weeks, days=weekday)
