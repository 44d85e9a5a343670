"""A message to or from a patient."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant


class Communication(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One text, call, e-mail or letter (FHIR Communication)."""

    channel: Literal["sms", "voice", "email", "post", "portal", "fax"]
    """How it travelled (Communication.medium)."""
    direction: Literal["outbound", "inbound"]
    """Whether the clinic or the patient wrote it."""
    status: Literal["queued", "sent", "delivered", "failed", "received"] | None = None
    """How far it got (Communication.status)."""
    patient: RecordId | None = None
    """Who wrote or was written to, a Patient (Communication.subject)."""
    about: RecordId | None = None
    """The record it is about, such as an Appointment (Communication.about)."""
    address: str | None = None
    """The patient's number in E.164 or address (Communication.recipient, Communication.sender)."""
    occasion: str | None = None
    """The occasion of the Reminder that it carried (Communication.basedOn)."""
    template: str | None = None
    """Name of the text template used."""
    answer: Literal["confirm", "cancel", "reschedule", "stop", "start", "help", "other"] | None = None
    """What an inbound message means."""
    text: str | None = None
    """What it says (Communication.payload)."""
    sent_at: Instant | None = None
    """When it was sent (Communication.sent)."""
    received_at: Instant | None = None
    """When it arrived (Communication.received)."""
    failure: str | None = None
    """The carrier's reason code when it failed, ``opted-out`` after a STOP (Communication.statusReason)."""
