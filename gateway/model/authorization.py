"""A payer's permission to treat."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant

AuthorizationStatus = Literal[
    "requested",
    "pended",
    "approved",
    "modified",
    "denied",
    "cancelled",
    "expired",
    "exhausted",
    "not-required",
    "rejected",
]


class Authorization(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A prior authorization (X12 278 HCR and HSD, HL7 AUT, FHIR ClaimResponse of use ``preauthorization``)."""

    status: AuthorizationStatus
    """Where it stands (HCR01: A1 approved, A4 pended, A6 modified, A3 denied, C cancelled,
    NA not required; rejected by AAA, so that nothing was decided; expired and exhausted are derived)."""
    number: str | None = None
    """The payer's authorization number (HCR02, AUT-6, REF01 G1, ClaimResponse.preAuthRef)."""
    tracking_number: str | None = None
    """The payer's number while the request is pended (REF01 NT)."""
    patient: RecordId | None = None
    """Whom it is for, a Patient."""
    payer: RecordId | None = None
    """Who gave it, a Payer (AUT-2, NM101 X3)."""
    coverage: RecordId | None = None
    """The Coverage it is charged to."""
    episode: RecordId | None = None
    """The EpisodeOfCare it was asked for."""
    location: RecordId | None = None
    """Clinic it is limited to, a Location."""
    service_codes: tuple[str, ...] = ()
    """Procedure codes it covers (SV101-2); empty when the payer named only a service type."""
    service_type: str | None = None
    """Service type code: PT, AE (UM03)."""
    visits_approved: int | None = None
    """Visits allowed (HSD02 with HSD01 VS, AUT-9)."""
    visits_used: int | None = None
    """Visits already taken."""
    visits_booked: int | None = None
    """Visits scheduled and not yet taken."""
    visits_remaining: int | None = None
    """Approved less used; negative when overdrawn."""
    units_approved: Decimal | None = None
    """Billing units allowed (SV104 with SV103 UN)."""
    units_used: Decimal | None = None
    """Units already billed."""
    units_remaining: Decimal | None = None
    """Approved less used; negative when overdrawn."""
    starts_on: date | None = None
    """First day it may be used (DTP01 472 or AAH, AUT-4)."""
    ends_on: date | None = None
    """Last day it may be used (DTP01 472 or AAH, AUT-5)."""
    requested_at: Instant | None = None
    """When it was asked for (BHT04)."""
    decided_at: Instant | None = None
    """When the payer answered (BHT04 of the response, AUT-10)."""
    reason: str | None = None
    """Review decision reason code: 0F, 0W, 0P (HCR03)."""
    trace_number: str | None = None
    """Our number of the request, which the answer repeats (TRN02)."""
    visits_requested: int | None = None
    """Visits asked for (HSD of the request)."""
    units_requested: Decimal | None = None
    """Billing units asked for (SV104 of the request)."""
    diagnoses: tuple[str, ...] = ()
    """ICD-10-CM codes it was asked for (HI)."""
    rejection: str | None = None
    """Why the request could not be processed (AAA03)."""
    next_step: str | None = None
    """What to do about a rejection, in plain words."""
    notes: tuple[str, ...] = ()
    """The payer's own sentences (MSG01)."""
    as_of: Instant | None = None
    """Up to when the used and booked figures were counted."""


class AuthorizationBalance(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is left of an authorization, counted from appointments and visits."""

    authorization: RecordId
    """The Authorization counted."""
    patient: RecordId | None = None
    """Whom it is for, a Patient."""
    payer: RecordId | None = None
    """Who gave it, a Payer."""
    number: str | None = None
    """The payer's authorization number."""
    visits_approved: int | None = None
    """Visits allowed."""
    visits_used: int = 0
    """Visits that took place."""
    visits_booked: int = 0
    """Visits scheduled and not yet taken."""
    visits_remaining: int | None = None
    """Approved less used; negative when overdrawn."""
    visits_free: int | None = None
    """Approved less used and booked: how many more may be booked."""
    ends_on: date | None = None
    """Last day it may be used."""
    runs_out_on: date | None = None
    """Day of the booked visit that takes the last one; absent when the booked ones fit."""
    state: Literal["ample", "short", "exhausted", "overbooked", "expired"] | None = None
    """Whether somebody must ask for more."""
