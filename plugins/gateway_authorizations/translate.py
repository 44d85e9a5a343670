"""Which authorization a visit is charged to, and what that leaves. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

from msgspec import Struct

from gateway.model.appointment import Appointment
from gateway.model.authorization import Authorization, AuthorizationBalance
from gateway.model.identity import RecordId
from gateway.model.values import wall_day
from gateway.model.visit import Visit

_ATTENDED = frozenset({"arrived", "completed"})
_BOOKED = frozenset({"booked", "confirmed"})


class Uses(Struct):
    """Days charged to one authorization."""

    used: list[date] = []
    booked: list[date] = []


def charged(
    given: Mapping[RecordId, Authorization],
    appointments: Mapping[RecordId, Appointment],
    visits: Mapping[RecordId, Visit],
) -> dict[RecordId, Uses]:
    """Days by authorization: the one that the clinic named, else the only one that covers the day.

    A visit and the appointment it fulfils are one use.
    """
    uses = {id: Uses() for id in given}
    fulfilled = {visit.appointment for visit in visits.values() if visit.status != "cancelled"}
    for id, appointment in appointments.items():
        day = wall_day(appointment.start, appointment.zone)
        owner = _owner(given, appointment.authorization, day)
        if owner is None or id in fulfilled:
            continue
        if appointment.status in _ATTENDED:
            uses[owner].used.append(day)
        elif appointment.status in _BOOKED:
            uses[owner].booked.append(day)
    for visit in visits.values():
        named = visit.authorization
        if named is None and visit.appointment is not None and visit.appointment in appointments:
            named = appointments[visit.appointment].authorization
        treated = visit.service_date or (wall_day(visit.start, visit.zone) if visit.start else None)
        owner = _owner(given, named, treated) if treated else None
        if owner is not None and treated is not None and visit.status != "cancelled":
            uses[owner].used.append(treated)
    return uses


def balance(
    id: RecordId, one: Authorization, uses: Uses, today: date, visits_left: int, days_left: int
) -> AuthorizationBalance:
    """What the uses leave; more than the payer itself counted is believed, less is not."""
    used = max(len(uses.used), one.visits_used or 0)
    booked = sorted(uses.booked)
    remaining = free = None
    runs_out = None
    if one.visits_approved is not None:
        remaining = one.visits_approved - used
        free = remaining - len(booked)
        if free <= 0 < remaining:
            runs_out = booked[remaining - 1]
    return AuthorizationBalance(
        authorization=id, patient=one.patient, payer=one.payer, number=one.number,
        visits_approved=one.visits_approved, visits_used=used, visits_booked=len(booked), visits_remaining=remaining,
        visits_free=free, ends_on=one.ends_on, runs_out_on=runs_out,
        state=_state(one, booked, remaining, free, today, visits_left, days_left),
    )  # fmt: skip


def _state(
    one: Authorization, booked: list[date], remaining: int | None, free: int | None, today: date, visits_left: int,
    days_left: int,
) -> Literal["ample", "short", "exhausted", "overbooked", "expired"]:  # fmt: skip
    ended = one.ends_on is not None and one.ends_on < today
    if ended:
        return "expired" if booked and booked[-1] >= today else "ample"
    if free is not None and free < 0:
        return "overbooked"
    if remaining is not None and remaining <= 0:
        return "exhausted"
    soon = one.ends_on is not None and (one.ends_on - today).days <= days_left
    few = free is not None and free <= visits_left
    return "short" if few or soon else "ample"


def _owner(given: Mapping[RecordId, Authorization], named: RecordId | None, day: date) -> RecordId | None:
    if named is not None:
        return named if named in given else None
    covering = [id for id, one in given.items() if _covers(one, day)]
    return covering[0] if len(covering) == 1 else None


def _covers(one: Authorization, day: date) -> bool:
    return (one.starts_on is None or one.starts_on <= day) and (one.ends_on is None or day <= one.ends_on)
