"""Rows of the simulated clinic as the API gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.testing.simulated_api import CLOCK, LISTS
from gateway.testing.synthetic_clinic import SyntheticPerson, SyntheticVisit

Row = dict[str, Any]
SCOPES = {"appointments": "appointments:read", "patients": "patients:read", "locations": "locations:read"}
SCOPES |= {"staff_members": "staff_members:read", "treatments": "treatments:read", "company": "companies:read"}
_STATES = {"booked": "booked", "arrived": "arrived", "cancelled": "cancelled", "no-show": "no_show"}


def patient_row(person: SyntheticPerson) -> Row:
    return {
        "first_name": person.given, "last_name": person.family, "sex": person.sex, "email": person.email,
        "date_of_birth": person.birth_date.isoformat(), "patient_number": f"{1000 + person.key}", "status": "active",
        "do_not_email": person.key % 5 == 0, "send_marketing_emails": person.key % 2 == 0, "country": "US",
        "phone_numbers": [{"type": "mobile", "number": person.phone, "is_primary": True}], "city": person.city,
        "street_address": person.street, "province": person.state, "postal": person.postal_code,
    }  # fmt: skip


def appointment_row(visit: SyntheticVisit, treatments: dict[str, str]) -> Row:
    told = utc(visit.start)
    return {
        "start_at": told, "end_at": utc(visit.end), "staff_member_id": id_of("staff_members", visit.therapist),
        "patient_id": id_of("patients", visit.patient), "location_id": id_of("locations", visit.place),
        "treatment_id": treatments[visit.kind], "first_visit": False, "state": _STATES[visit.outcome],
        "booked_at": utc(visit.booked_at), "checked_in_at": None, "archived_at": None,
        "cancelled_at": told if visit.outcome == "cancelled" else None,
        "cancelled_reason": "Sick" if visit.outcome == "cancelled" else None,
        "no_show_at": told if visit.outcome == "no-show" else None,
        "arrived_at": told if visit.outcome == "arrived" else None,
    }  # fmt: skip


def id_of(table: str, key: int) -> str:
    return f"0199173f-240f-7f6a-{list(SCOPES).index(table):04x}-{key:012x}"


def utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def matches(value: str, operator: str, operand: str) -> bool:
    """Whether a value passes one filter of the API."""
    if operator == "eq":
        return value in operand.split(",")
    return {"gt": value > operand, "gte": value >= operand, "lt": value < operand, "lte": value <= operand}[operator]


def _move(api: Any) -> None:
    """The appointment changed longest ago is moved by a week."""
    id = min(api.tables["appointments"], key=lambda one: api.times[one]["updated_at"])
    row = api.tables["appointments"][id]
    week = {name: utc(datetime.fromisoformat(row[name]) + timedelta(days=7)) for name in ("start_at", "end_at")}
    api.touch("appointments", id, **week)


def _drift(api: Any) -> None:
    """Every appointment moves by a day; a check-in has another name from now on, and there is a new state."""
    for number, (id, row) in enumerate(api.tables["appointments"].items()):
        row["checked_in"] = row.pop("checked_in_at", None)
        day = {name: utc(datetime.fromisoformat(row[name]) + timedelta(days=1)) for name in ("start_at", "end_at")}
        api.touch("appointments", id, **day, **({"state": "rescheduled"} if number % 3 == 0 else {}))


def _vanish(api: Any) -> None:
    for table in ("appointments", "patients"):
        api.forget(table, next(iter(api.tables[table])))


EVENTS: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    "update": ("an appointment is moved", _move),
    "drift": ("appointments name a field otherwise and have a new state", _drift),
    "vanish": ("an appointment and a patient end without a trace", _vanish),
    **CLOCK,
    **LISTS,
}
"""What happens at the simulated clinic when it is asked for."""
