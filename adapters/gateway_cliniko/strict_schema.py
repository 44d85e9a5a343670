"""The documented schema of what patients do and owe: types, nullability, lengths and code sets, by resource."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from msgspec import Meta

from gateway_cliniko.strict_types import (
    EVERY,
    Amount,
    Flag,
    Id,
    Link,
    MaybeUtc,
    Name,
    Phone,
    Repeat,
    Text,
    Text255,
    Utc,
    every,
)

SCHEMA: dict[str, dict[str, Any]] = {
    "group_appointments": EVERY
    | every(Link, "appointment_type", "attendees", "business", "practitioner", "repeated_from")
    | every(MaybeUtc, "archived_at", "deleted_at")
    | every(Link | None, "conflicts", "repeats")
    | every(Utc, "ends_at", "starts_at")
    | every(int, "max_attendees")
    | every(Text, "notes", "telehealth_url")
    | every(list[Id], "patient_ids")
    | every(Repeat | None, "repeat_rule"),
    "attendees": EVERY
    | every(MaybeUtc, "archived_at", "cancelled_at", "deleted_at")
    | every(Flag, "arrived", "email_reminder_sent", "online_booking_policy_accepted", "sms_reminder_sent")
    | every(Link, "booking", "invoices", "patient", "patient_case", "patient_forms")
    | every(Text, "booking_ip_address", "cancellation_note", "cancellation_url", "notes", "telehealth_url")
    | every(
        int | None,
        "cancellation_reason",
        "sent_email_follow_ups_count",
        "sent_email_reminders_count",
        "sent_sms_follow_ups_count",
        "sent_sms_reminders_count",
    )
    | every(
        Literal["Feeling Better", "Condition Worse", "Sick", "COVID-19 related", "Away", "Other", "Work", ""] | None,
        "cancellation_reason_description",
    )
    | every(Literal[10, 20, 30, 40] | None, "invoice_status")
    | every(Literal[10, 90] | None, "treatment_note_status"),
    "appointment_types": EVERY
    | every(
        Flag,
        "add_deposit_to_account_credit",
        "online_payments_enabled",
        "show_in_online_bookings",
        "telehealth_enabled",
    )
    | every(
        list[Id],
        "appointment_confirmation_template_ids",
        "appointment_follow_up_template_ids",
        "appointment_reminder_template_ids",
    )
    | every(
        Link,
        "appointment_type_billable_items",
        "appointment_type_products",
        "billable_item",
        "practitioners",
        "product",
        "treatment_note_template",
    )
    | every(MaybeUtc, "archived_at")
    | every(Text, "category", "description")
    | every(str, "color")
    | every(Amount | None, "deposit_price")
    | every(int, "duration_in_minutes", "max_attendees")
    | every(Name, "name")
    | every(Literal[0, 1, 2, 4, 12, 18, 24, 48, 72, 168, 336, 504, 672] | None, "online_bookings_lead_time_hours")
    | every(Literal["deposit_required", "optional", "required"] | None, "online_payments_mode"),
    "practitioner_reference_numbers": EVERY
    | every(Link, "business", "practitioner")
    | every(Text, "name", "reference_number"),
    "contacts": EVERY
    | every(
        Text255,
        "address_1",
        "address_2",
        "address_3",
        "city",
        "company_name",
        "email",
        "first_name",
        "last_name",
        "occupation",
        "post_code",
        "provider_number",
        "state",
    )
    | every(MaybeUtc, "archived_at", "deleted_at")
    | every(Text, "country", "country_code", "notes", "preferred_name", "title")
    | every(Literal["general_practitioner", "specialist"] | None, "doctor_type")
    | every(list[Phone], "phone_numbers")
    | every(Literal["Doctor", "3rd Party Payer", "Standard"] | None, "type")
    | every(Literal[0, 1, 2] | None, "type_code"),
    "patient_cases": EVERY
    | every(MaybeUtc, "archived_at", "closed_at")
    | every(list[Id], "attendee_ids")
    | every(Link, "attendees", "bookings", "contact", "invoices", "patient", "patient_attachments")
    | every(Flag, "closed", "include_cancelled_attendees", "include_dna_attendees", "referral")
    | every(date | None, "expiry_date", "issue_date")
    | every(Amount | None, "max_invoiceable_amount")
    | every(int | None, "max_sessions")
    | every(str, "name")
    | every(Text, "notes")
    | every(Literal["dva", "medicare"] | None, "referral_type"),
    "invoices": EVERY
    | every(
        Link,
        "appointment",
        "attendee",
        "business",
        "invoice_items",
        "original_invoice",
        "patient",
        "practitioner",
        "reversed_invoices",
        "signature",
    )
    | every(MaybeUtc, "archived_at", "closed_at", "deleted_at")
    | every(Literal[1, 2, 3] | None, "calculation_method")
    | every(Literal["Legacy", "Tax exclusive", "Tax inclusive"] | None, "calculation_method_description")
    | every(Amount | None, "discounted_amount", "net_amount", "tax_amount", "total_amount")
    | every(Text, "invoice_to", "notes", "online_payment_url", "patient_extra_information")
    | every(date, "issue_date")
    | every(int, "number")
    | every(Literal[10, 20, 30, 40] | None, "status")
    | every(Literal["Open", "Paid", "Closed", "Open credit"] | None, "status_description"),
    "invoice_items": EVERY
    | every(MaybeUtc, "archived_at", "deleted_at")
    | every(Link, "billable_item", "invoice", "product")
    | every(Text, "code", "concession_type_name", "name", "tax_name")
    | every(Amount | None, "discount_percentage", "discounted_amount", "net_price", "tax_amount", "tax_rate")
    | every(Flag, "is_monetary_discount")
    | every(Amount, "quantity", "unit_price")
    | every(float | None, "total_including_tax"),
    "referral_sources": EVERY
    | every(MaybeUtc, "archived_at")
    | every(Text, "notes", "subcategory")
    | every(Link, "patient", "referral_source_type")
    | every(Link | None, "referrer")
    | every(Literal["Patient", "Contact"] | None, "referrer_type"),
    "referral_source_types": EVERY
    | every(MaybeUtc, "archived_at")
    | every(Name, "name")
    | every(Literal["Contact", "Patient"] | None, "referrer_type")
    | every(Link | None, "referrers")
    | every(list[str], "subcategories"),
    "communications": EVERY
    | every(MaybeUtc, "archived_at")
    | every(Link, "attendee", "booking", "invoice", "letter", "patient", "payment")
    | every(Text, "category", "content", "from", "to")
    | every(Annotated[int, Meta(ge=1, le=50)] | None, "category_code")
    | every(Text255, "content_subject")
    | every(Literal[1, 2] | None, "direction_code")
    | every(Literal["Received", "Sent"] | None, "direction_description")
    | every(Literal["Email", "Other", "Phone call", "SMS"] | None, "type")
    | every(Literal[1, 2, 3, 4] | None, "type_code")
    | every(Flag, "confidential"),
    "unavailable_blocks": EVERY
    | every(MaybeUtc, "archived_at", "deleted_at")
    | every(Link, "business", "practitioner", "repeated_from", "unavailable_block_type")
    | every(Link | None, "conflicts", "repeats")
    | every(Utc, "ends_at", "starts_at")
    | every(Text, "notes")
    | every(Repeat | None, "repeat_rule"),
}
