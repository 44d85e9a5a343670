"""A planned message about an appointment."""

from __future__ import annotations

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
    state: Literal["planned", "held", "sent", "answered", "cancelled", "failed"]
    """How far it got; held while it is uncertain that the appointment stands (CommunicationRequest.status)."""
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
    held_because: str | None = None
    """Why it is held or was cancelled: no-consent, quiet-hours, unconfirmed-absence."""
    communication: RecordId | None = None
    """The Communication that carried it."""

    def __post_init__(self) -> None:
        check_zone(self)
