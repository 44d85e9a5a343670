"""A request to treat a patient."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId


class Referral(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A physician's order or referral for therapy (HL7 RF1, FHIR ServiceRequest)."""

    patient: RecordId | None = None
    """Whom it is for, a Patient (ServiceRequest.subject)."""
    number: str | None = None
    """Number the referrer gave it (RF1-6, REF01 9F)."""
    status: Literal["received", "accepted", "active", "completed", "declined", "cancelled", "expired"] | None = None
    """How far it got (RF1-1, ServiceRequest.status)."""
    referrer: RecordId | None = None
    """Who referred, a Practitioner (PRD with role RP, NM101 DN, ServiceRequest.requester)."""
    referral_source: RecordId | None = None
    """The practice or campaign it came through, a ReferralSource."""
    location: RecordId | None = None
    """Clinic it was sent to, a Location (ServiceRequest.locationReference)."""
    diagnoses: tuple[str, ...] = ()
    """ICD-10-CM codes with their dot (DG1-3, ServiceRequest.reasonCode)."""
    discipline: Literal["PT", "OT", "SLP", "other"] | None = None
    """Kind of therapy asked for (RF1-3, ServiceRequest.code)."""
    visits: int | None = None
    """Number of visits ordered (ServiceRequest.quantityQuantity)."""
    received_on: date | None = None
    """Day it arrived (RF1-7)."""
    signed_on: date | None = None
    """Day the referrer signed (ServiceRequest.authoredOn)."""
    expires_on: date | None = None
    """Last day it may be used (RF1-8)."""
