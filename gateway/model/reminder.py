"""A planned message about an appointment."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant, Zone, check_zone


class Reminder(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One step of reminding a patient of one appointment over one channel (FHIR CommunicationRequest)."""

    due_at: Instant
    """When it should go out (CommunicationRequest.occurrenceDateTime)."""
    channel: Literal["sms", "voice", "email"]
    """How (CommunicationRequest.medium)."""
    state: Literal["planned", "due", "held", "sent", "answered", "cancelled", "failed"]
    """How far it got: only what is due may be sent; held while something speaks against it that may pass
    (CommunicationRequest.status)."""
    kind: Literal["visit", "rebook", "authorization", "plan-of-care"] | None = None
    """What it is for; a visit when absent (CommunicationRequest.reasonCode)."""
    occasion: str | None = None
    """The same for every version of one message, and part of what is told of its sending: a second one is a repeat."""
    step: str | None = None
    """Name of the step in the plan: two-days, two-hours."""
    appointment: RecordId | None = None
    """What it reminds of, an Appointment (CommunicationRequest.about)."""
    patient: RecordId | None = None
    """Who is reminded, a Patient (CommunicationRequest.recipient)."""
    location: RecordId | None = None
    """The clinic, a Location."""
    start: Instant | None = None
    """Start of the appointment that it was planned for; another start makes another reminder."""
    zone: Zone | None = None
    """IANA time zone in which quiet hours are judged."""
    until: Instant | None = None
    """When it is too late to send it."""
    to: str | None = None
    """Number in E.164 or address it goes to (CommunicationRequest.recipient)."""
    subject: str | None = None
    """Subject line of an e-mail."""
    text: str | None = None
    """What it says (CommunicationRequest.payload)."""
    language: str | None = None
    """BCP 47 tag of the text."""
    consent: RecordId | None = None
    """The Consent that allows it."""
    because: str | None = None
    """Why it was added beside the usual ones, in words."""
    held_because: str | None = None
    """Why it is held or was cancelled: no-consent, quiet-hours, daily-cap, visit-cancelled."""
    communication: RecordId | None = None
    """The Communication that carried it."""

    def __post_init__(self) -> None:
        check_zone(self)


def why_not(reminder: Reminder, channels: frozenset[str], now: datetime) -> str | None:
    """Why a sink that serves ``channels`` must not send this now, as a stable word; None when it must."""
    if reminder.channel not in channels:
        return "other-channel"
    if reminder.state != "due":
        return f"not-due-{reminder.state}"
    if any(end is not None and end <= now for end in (reminder.until, reminder.start)):
        return "too-late"
    return None if reminder.to and reminder.text else "no-text"
