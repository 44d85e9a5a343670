"""What a patient agreed to receive."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant


class Consent(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Permission to contact a patient over one channel for one purpose (FHIR Consent, HL7 CON)."""

    channel: Literal["sms", "voice", "email", "post", "portal"]
    """How they may be reached (Consent.provision.code)."""
    status: Literal["granted", "revoked", "unknown"]
    """Whether it holds (Consent.status, CON-11)."""
    patient: RecordId | None = None
    """Who agreed, a Patient (Consent.patient)."""
    purpose: Literal["appointment", "billing", "care", "marketing"] | None = None
    """What they may be reached for (Consent.provision.purpose)."""
    evidence: str | None = None
    """Where the agreement can be seen: form, document or message id (Consent.source, CON-4)."""
    granted_at: Instant | None = None
    """When it was given (Consent.dateTime, CON-13)."""
    revoked_at: Instant | None = None
    """When it was taken back; a STOP answer sets it."""
    expires_at: Instant | None = None
    """When it ends by itself (Consent.provision.period, CON-15)."""
