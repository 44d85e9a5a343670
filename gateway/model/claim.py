"""A bill to a payer and what became of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant, Money, check_money


class ClaimLine(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One service on a claim (X12 loop 2400, FHIR Claim.item)."""

    procedure_code: str
    """CPT or HCPCS code (SV101-2)."""
    charge: Money
    """Charged amount, US dollars (SV102)."""
    modifiers: tuple[str, ...] = ()
    """Modifiers in order (SV101-3 to SV101-6)."""
    units: Decimal | None = None
    """Billed units (SV104)."""
    service_date: date | None = None
    """Day of treatment (DTP01 472)."""
    diagnoses: tuple[str, ...] = ()
    """ICD-10-CM codes it points to (SV107 into HI)."""
    line_control_number: str | None = None
    """Our number of the line, which the remittance repeats (REF01 6R)."""

    def __post_init__(self) -> None:
        check_money(self, "charge")


class ClaimStatus(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One step in a claim's life (X12 277 STC)."""

    category: str
    """Claim status category code: A1, A2, A7, P1, F1, F2 (STC01-1)."""
    code: str | None = None
    """Claim status code (STC01-2)."""
    entity: str | None = None
    """Whom the status concerns (STC01-3)."""
    at: Instant | None = None
    """When it was reported."""
    effective_on: date | None = None
    """Day it took effect (STC02)."""
    reported_by: str | None = None
    """Clearinghouse or payer that reported it (NM101 AY, PR)."""


class Claim(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A professional claim (X12 837P, FHIR Claim)."""

    control_number: str
    """Patient control number, which every answer repeats (CLM01)."""
    patient: RecordId | None = None
    """Who was treated, a Patient (Claim.patient)."""
    payer: RecordId | None = None
    """Who is billed, a Payer (NM101 PR, Claim.insurer)."""
    coverage: RecordId | None = None
    """The Coverage billed (Claim.insurance.coverage)."""
    visits: tuple[RecordId, ...] = ()
    """The Visits billed."""
    billing_npi: str | None = None
    """NPI of the billing provider (NM109 with NM101 85)."""
    rendering_npi: str | None = None
    """NPI of the therapist (NM109 with NM101 82)."""
    charge: Money | None = None
    """Total charged, US dollars; the sum of its lines (CLM02)."""
    frequency: str | None = None
    """1 original, 7 replacement, 8 void (CLM05-3)."""
    payer_claim_number: str | None = None
    """The payer's number of the claim that this one replaces or voids (REF01 F8)."""
    authorization_number: str | None = None
    """Prior authorization number (REF01 G1)."""
    diagnoses: tuple[str, ...] = ()
    """ICD-10-CM codes, principal first (HI)."""
    lines: tuple[ClaimLine, ...] = ()
    """Services billed (loop 2400)."""
    status: Literal["draft", "submitted", "accepted", "rejected", "pending", "paid", "denied", "void"] | None = None
    """Where it stands; follows from the newest entry of the history."""
    history: tuple[ClaimStatus, ...] = ()
    """Every status reported, oldest first (999, 277CA, 277, 835)."""
    submitted_at: Instant | None = None
    """When it was sent (BHT04)."""

    def __post_init__(self) -> None:
        check_money(self, "charge")
