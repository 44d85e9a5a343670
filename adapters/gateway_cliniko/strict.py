"""Validation of single items against the documented schema: types, nullability, lengths, code sets.

The schema is that of the vendor's OpenAPI document of November 2025, for the resources that are read here.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.model.exchange import Finding

Id = Annotated[str, Meta(pattern=r"^\d{1,19}$")]
Utc = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
MaybeUtc = Utc | None
Text = str | None
Text255 = Annotated[str, Meta(max_length=255)] | None
Name = Annotated[str, Meta(max_length=255)]
Flag = bool | None


class _Self(msgspec.Struct, forbid_unknown_fields=True):
    self: Annotated[str, Meta(pattern=r"^https?://")]


class Link(msgspec.Struct, forbid_unknown_fields=True):
    links: _Self


class Phone(msgspec.Struct, forbid_unknown_fields=True):
    number: Text = None
    normalized_number: Text = None
    phone_type: Literal["Fax", "Home", "Mobile", "Other", "Work"] | None = None


class Pronouns(msgspec.Struct, forbid_unknown_fields=True):
    accusative: Annotated[str, Meta(max_length=50)] | None = None
    nominative: Annotated[str, Meta(max_length=50)] | None = None
    predicative_possessive: Annotated[str, Meta(max_length=50)] | None = None
    pronominal_possessive: Annotated[str, Meta(max_length=50)] | None = None
    reflexive: Annotated[str, Meta(max_length=50)] | None = None


class Repeat(msgspec.Struct, forbid_unknown_fields=True):
    number_of_repeats: Annotated[int, Meta(ge=0, le=51)] | None = None
    repeat_type: Literal["Daily", "Monthly", "Weekly"] | None = None
    repeating_interval: Annotated[int, Meta(ge=0, le=100)] | None = None


def _all(kind: Any, *names: str) -> dict[str, Any]:
    return dict.fromkeys(names, kind)


_EVERY: dict[str, Any] = {"id": Id, "created_at": Utc, "updated_at": Utc, "links": _Self}

SCHEMA: dict[str, dict[str, Any]] = {
    "patients": _EVERY
    | _all(MaybeUtc, "archived_at", "deleted_at", "merged_at")
    | _all(Name, "first_name", "last_name")
    | _all(Flag, "accepted_email_marketing", "accepted_privacy_policy", "accepted_sms_marketing")
    | _all(Flag, "receives_cancellation_emails", "receives_confirmation_emails")
    | _all(
        Text255, "address_1", "address_2", "address_3", "city", "email", "emergency_contact", "medicare", "occupation"
    )
    | _all(Text255, "medicare_reference_number", "old_reference_id", "preferred_first_name", "referral_source", "title")
    | _all(Text, "appointment_notes", "country", "country_code", "dva_card_number", "gender", "gender_identity")
    | _all(Text, "invoice_default_to", "invoice_email", "invoice_extra_information", "label", "notes")
    | _all(Text, "post_code", "sex", "state", "time_zone")
    | _all(Link, "appointments", "attendees", "concession_type", "invoices", "latest_booking", "medical_alerts")
    | _all(Link, "merged_with_patient", "patient_attachments", "referring_doctor", "relationships")
    | {
        "custom_fields": dict[str, Any] | None,
        "date_of_birth": date | None,
        "patient_phone_numbers": list[Phone],
        "pronouns": Pronouns | None,
        "reminder_type": Literal["None", "SMS", "Email", "SMS & Email"] | None,
    },
    "practitioners": _EVERY
    | _all(Flag, "active", "show_in_online_bookings")
    | _all(Text, "description", "display_name", "first_name", "label", "last_name", "title")
    | _all(Link, "appointment_types", "appointments", "default_appointment_type", "invoices", "user")
    | {"designation": Text255, "practitioner_reference_numbers": Link},
    "businesses": _EVERY
    | _all(MaybeUtc, "archived_at", "deleted_at")
    | _all(Flag, "appointment_reminders_enabled", "show_in_online_bookings")
    | _all(Annotated[str, Meta(max_length=5000)] | None, "additional_information", "additional_invoice_information")
    | _all(Text, "address_1", "address_2", "business_name", "business_registration_name", "business_registration_value")
    | _all(Text, "city", "contact_information", "country", "country_code", "display_name", "email_reply_to", "label")
    | _all(Text, "post_code", "state", "time_zone", "time_zone_identifier", "website_address")
    | _all(Link, "appointments", "practitioners")
    | {"appointment_type_ids": list[Id]},
    "individual_appointments": _EVERY
    | _all(MaybeUtc, "archived_at", "cancelled_at", "deleted_at")
    | _all(Utc, "starts_at", "ends_at")
    | _all(Flag, "did_not_arrive", "email_reminder_sent", "has_patient_appointment_notes", "patient_arrived")
    | _all(Flag, "online_booking_policy_accepted", "sms_reminder_sent")
    | _all(Text, "booking_ip_address", "cancellation_note", "notes", "patient_name", "telehealth_url")
    | _all(
        Link, "appointment_type", "attendees", "business", "patient", "patient_case", "practitioner", "repeated_from"
    )
    | _all(Link | None, "conflicts", "repeats")
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


def check(kind: str, body: bytes) -> list[Finding]:
    """Every way in which one item differs from the schema, each named by its field and never by its value."""
    schema = SCHEMA[kind]
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [Finding(reason="not-an-object", what="The item is not a JSON object", where="$")]
    findings = [
        Finding(reason="missing-field", what="A field that every item has is absent", where=name)
        for name in _EVERY
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
