"""Rows of the simulated account, as the API gives them, made from people and places of a made-up clinic."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from gateway.testing.synthetic_clinic import SyntheticPerson, SyntheticPlace
from gateway_cliniko.simulator_filters import FILTERS

Row = dict[str, Any]

_ID = 1_390_726_237_298_000_000


def business_row(place: SyntheticPlace) -> Row:
    marks = dict.fromkeys(("archived_at", "deleted_at"))
    where = {"address_1": place.street, "city": place.city, "state": place.state, "post_code": place.postal_code}
    names = {"display_name": place.name, "business_name": place.name, "time_zone_identifier": place.zone}
    return {**marks, **names, **where, "country_code": "US", "email_reply_to": None, "appointment_type_ids": []}


def practitioner_row(person: SyntheticPerson) -> Row:
    names = {"first_name": person.given, "last_name": person.family, "display_name": f"{person.given} {person.family}"}
    return {**names, "title": None, "designation": "PT, DPT", "active": True, "show_in_online_bookings": True}


def patient_row(person: SyntheticPerson) -> Row:
    digits = re.sub(r"\D", "", person.phone)
    return {
        "first_name": person.given, "last_name": person.family, "preferred_first_name": None, "title": None,
        "date_of_birth": person.birth_date.isoformat(), "sex": person.sex.capitalize(), "email": person.email,
        "patient_phone_numbers": [{"number": person.phone, "normalized_number": f"1{digits}", "phone_type": "Mobile"}],
        "address_1": person.street, "address_2": None, "address_3": None, "city": person.city, "state": person.state,
        "post_code": person.postal_code, "country_code": "US", "reminder_type": "SMS & Email", "archived_at": None,
        "deleted_at": None, "merged_at": None, "emergency_contact": None, "old_reference_id": f"CH-{person.key:05d}",
    }  # fmt: skip


def id_of(table: str, key: int) -> str:
    return str(_ID + list(FILTERS).index(table) * 1_000_000 + key)


def link_to(table: str, key: int) -> dict[str, dict[str, str]]:
    return {"links": {"self": f"https://api.au2.cliniko.com/v1/{table}/{id_of(table, key)}"}}


def utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
