"""Validation of single items against the documented schema: types, nullability, lengths, code sets.

The schema is that of the vendor's OpenAPI document of November 2025, for the resources that are read here.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.model.exchange import Finding
from gateway_cliniko.strict_schema import SCHEMA as FURTHER
from gateway_cliniko.strict_types import (
    EVERY,
    Flag,
    Id,
    Link,
    MaybeUtc,
    Name,
    Phone,
    Pronouns,
    Repeat,
    Text,
    Text255,
    Utc,
    every,
)

SCHEMA: dict[str, dict[str, Any]] = {
    "patients": EVERY
    | every(MaybeUtc, "archived_at", "deleted_at", "merged_at")
    | every(Name, "first_name", "last_name")
    | every(Flag, "accepted_email_marketing", "accepted_privacy_policy", "accepted_sms_marketing")
    | every(Flag, "receives_cancellation_emails", "receives_confirmation_emails")
    | every(
        Text255, "address_1", "address_2", "address_3", "city", "email", "emergency_contact", "medicare", "occupation"
    )
    | every(
        Text255, "medicare_reference_number", "old_reference_id", "preferred_first_name", "referral_source", "title"
    )
    | every(Text, "appointment_notes", "country", "country_code", "dva_card_number", "gender", "gender_identity")
    | every(Text, "invoice_default_to", "invoice_email", "invoice_extra_information", "label", "notes")
    | every(Text, "post_code", "sex", "state", "time_zone")
    | every(Link, "appointments", "attendees", "concession_type", "invoices", "latest_booking", "medical_alerts")
    | every(Link, "merged_with_patient", "patient_attachments", "referring_doctor", "relationships")
    | {
        "custom_fields": dict[str, Any] | None,
        "date_of_birth": date | None,
        "patient_phone_numbers": list[Phone],
        "pronouns": Pronouns | None,
        "reminder_type": Literal["None", "SMS", "Email", "SMS & Email"] | None,
    },
    "practitioners": EVERY
    | every(Flag, "active", "show_in_online_bookings")
    | every(Text, "description", "display_name", "first_name", "label", "last_name", "title")
    | every(Link, "appointment_types", "appointments", "default_appointment_type", "invoices", "user")
    | {"designation": Text255, "practitioner_reference_numbers": Link},
    "businesses": EVERY
    | every(MaybeUtc, "archived_at", "deleted_at")
    | every(Flag, "appointment_reminders_enabled", "show_in_online_bookings")
    | every(Annotated[str, Meta(max_length=5000)] | None, "additional_information", "additional_invoice_information")
    | every(
        Text, "address_1", "address_2", "business_name", "business_registration_name", "business_registration_value"
    )
    | every(Text, "city", "contact_information", "country", "country_code", "display_name", "email_reply_to", "label")
    | every(Text, "post_code", "state", "time_zone", "time_zone_identifier", "website_address")
    | every(Link, "appointments", "practitioners")
    | {"appointment_type_ids": list[Id]},
    "individual_appointments": EVERY
    | every(MaybeUtc, "archived_at", "cancelled_at", "deleted_at")
    | every(Utc, "starts_at", "ends_at")
    | every(Flag, "did_not_arrive", "email_reminder_sent", "has_patient_appointment_notes", "patient_arrived")
    | every(Flag, "online_booking_policy_accepted", "sms_reminder_sent")
    | every(Text, "booking_ip_address", "cancellation_note", "notes", "patient_name", "telehealth_url")
    | every(
        Link, "appointment_type", "attendees", "business", "patient", "patient_case", "practitioner", "repeated_from"
    )
    | every(Link | None, "conflicts", "repeats")
    | {
        "cancellation_reason": Literal[10, 20, 30, 31, 40, 50, 60] | None,
        "cancellation_reason_description": Literal[
            "Feeling Better", "Condition Worse", "Sick", "COVID-19 related", "Away", "Other", "Work", ""
        ]
        | None,
        "invoice_status": Literal[10, 20, 30, 40] | None,
        "repeat_rule": Repeat | None,
        "treatment_note_status": Literal[10, 90] | None,
    },
}
SCHEMA |= FURTHER


def check(kind: str, body: bytes) -> list[Finding]:
    """Every way in which one item differs from the schema, each named by its field and never by its value."""
    schema = SCHEMA[kind]
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [Finding(reason="not-an-object", what="The item is not a JSON object", where="$")]
    findings = [
        Finding(reason="missing-field", what="A field that every item has is absent", where=name)
        for name in EVERY
        if name not in fields
    ]
    for name, raw in fields.items():
        wanted = schema.get(name)
        if wanted is None:
            findings.append(Finding(reason="undocumented-field", what="The schema has no such field", where=name[:64]))
            continue
        try:
            msgspec.json.decode(raw, type=wanted)
        except (msgspec.DecodeError, UnicodeDecodeError):
            findings.append(Finding(reason="wrong-type", what="The value is not what the schema says", where=name))
    return findings
