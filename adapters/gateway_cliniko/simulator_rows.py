"""Rows of the simulated account, as the API gives them, made from people and places of a made-up clinic."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from gateway.testing.synthetic_clinic import SyntheticPerson, SyntheticPlace, SyntheticVisit
from gateway_cliniko.simulator_filters import FILTERS

Row = dict[str, Any]

REASONS: dict[str, int] = {"feeling-better": 10, "condition-worse": 20, "sick": 30, "away": 40, "other": 50, "work": 60}
DESCRIPTIONS = {10: "Feeling Better", 20: "Condition Worse", 30: "Sick", 40: "Away", 50: "Other", 60: "Work"}
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
        "accepted_sms_marketing": None, "accepted_email_marketing": person.key % 2 == 0,
    }  # fmt: skip


def type_row(name: str) -> Row:
    shown = {"category": "Physiotherapy", "color": "#33aa88", "max_attendees": 1, "archived_at": None}
    return {"name": name, "duration_in_minutes": 30, "telehealth_enabled": False, **shown}


def number_row(therapist: SyntheticPerson, place: int) -> Row:
    whose = {"practitioner": link_to("practitioners", therapist.key), "business": link_to("businesses", place)}
    return {"name": "Provider number", "reference_number": f"{1_000_000 + therapist.key}A", **whose}


def contact_row(key: int, person: SyntheticPerson) -> Row:
    """The first is a payer, the second a standard contact, the others are doctors."""
    code, kind = {1: (2, "3rd Party Payer"), 2: (0, "Standard")}.get(key, (1, "Doctor"))
    phones = [{"number": person.phone, "normalized_number": None, "phone_type": "Work"}]
    names: Row = {"first_name": person.given, "last_name": person.family, "title": None, "company_name": None}
    if code == 2:
        names = {"first_name": None, "last_name": None, "title": None, "company_name": "Harbour Mutual"}
    where = {"address_1": person.street, "city": person.city, "state": person.state, "post_code": person.postal_code}
    marks = {"archived_at": None, "deleted_at": None, "type_code": code, "type": kind, "phone_numbers": phones}
    number = f"{500_000 + key}B" if code == 1 else None
    return {**names, **where, **marks, "country_code": "US", "email": None, "provider_number": number}


def case_row(key: int, patient: int, attendees: list[str]) -> Row:
    """Every second case has a limit of sessions; every third rests on a doctor's letter."""
    referred = key % 3 == 0
    row: Row = {
        "name": "Lower back", "patient": link_to("patients", patient), "attendee_ids": attendees, "archived_at": None,
        "issue_date": "2026-02-01", "expiry_date": "2026-12-31", "closed_at": None, "referral": referred,
        "max_sessions": 10 if key % 2 == 0 else None, "include_cancelled_attendees": False, "notes": None,
        "include_dna_attendees": True, "max_invoiceable_amount": None, "referral_type": None,
    }  # fmt: skip
    return row | ({"contact": link_to("contacts", 3)} if referred else {})


def invoice_row(key: int, visit: SyntheticVisit) -> Row:
    at = {"patient": link_to("patients", visit.patient), "business": link_to("businesses", visit.place)}
    status = (10, 20, 30, 40)[key % 4]
    words = {10: "Open", 20: "Paid", 30: "Closed", 40: "Open credit"}
    return {
        "number": 1000 + key, "issue_date": visit.start.date().isoformat(), "status": status, **at,
        "status_description": words[status], "net_amount": "90.0", "tax_amount": "0.0", "total_amount": "90.0",
        "discounted_amount": "0.0", "archived_at": None, "deleted_at": None, "closed_at": None, "notes": None,
        "practitioner": link_to("practitioners", visit.therapist), "attendee": link_to("attendees", visit.key),
    }  # fmt: skip


def item_row(invoice: int, ordinal: int) -> Row:
    price = ("60.0", "30.0")[ordinal]
    return {
        "invoice": link_to("invoices", invoice), "name": ("Therapeutic exercise", "Manual therapy")[ordinal],
        "code": ("97110", "97140")[ordinal], "quantity": "1.0", "unit_price": price, "net_price": price,
        "tax_amount": "0.0", "tax_rate": None, "tax_name": None, "total_including_tax": float(price),
        "discounted_amount": "0.0", "discount_percentage": None, "is_monetary_discount": None, "archived_at": None,
        "concession_type_name": None, "deleted_at": None,
    }  # fmt: skip


def source_row(patient: int) -> Row:
    kind = link_to("referral_source_types", 1 + patient % 2)
    row: Row = {"patient": link_to("patients", patient), "referral_source_type": kind, "subcategory": None}
    contact = {"referrer": link_to("contacts", 3), "referrer_type": "Contact"}
    return row | {"notes": None, "archived_at": None} | (contact if patient % 2 == 0 else {"referrer_type": None})


def message_row(key: int, visit: SyntheticVisit) -> Row:
    """Reminders by text message, every third with an answer, and now and then a memo."""
    received, memo = key % 3 == 0, key % 10 == 7
    words = {"content": "See you tomorrow." if not received else "Y", "from": None, "to": None, "archived_at": None}
    links = {"patient": link_to("patients", visit.patient), "booking": link_to("individual_appointments", visit.key)}
    if memo:
        marks = {"confidential": False, "direction_code": 1, "direction_description": "Sent"}
        kind = {"type_code": 4, "type": "Other", "category_code": 12, "category": "Memo"}
        return {**words, "patient": links["patient"], **marks, **kind}
    code, name = (8, "Reply from Patient") if received else (1, "Appointment Reminder")
    way = {"direction_code": 2 if received else 1, "direction_description": "Received" if received else "Sent"}
    return {**words, **links, **way, "type_code": 1, "type": "SMS", "category_code": code, "category": name}


def id_of(table: str, key: int) -> str:
    return str(_ID + list(FILTERS).index(table) * 1_000_000 + key)


def link_to(table: str, key: int) -> dict[str, dict[str, str]]:
    return {"links": {"self": f"https://api.au2.cliniko.com/v1/{table}/{id_of(table, key)}"}}


def utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
