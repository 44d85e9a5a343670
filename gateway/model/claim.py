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
    line_number: int | None = None
    """Its place on the claim from 1 (LX01)."""
    ends_on: date | None = None
    """Last day of treatment, where it was more than one (DTP03 of 472 as a range)."""
    revenue_code: str | None = None
    """Revenue code of an institutional claim (SV201); a line without a procedure code repeats it there."""
    rendering_npi: str | None = None
    """NPI of the therapist of this line, where it differs from the claim's (NM109 with NM101 82)."""
    authorization_number: str | None = None
    """Prior authorization of this line (REF01 G1)."""

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


class Transmission(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The numbers under which something travelled as X12: what acknowledgements name instead of claims."""

    interchange: str | None = None
    """Interchange control number (ISA13, TA101)."""
    group: str | None = None
    """Group control number (GS06, AK102)."""
    transaction: str | None = None
    """Transaction set control number (ST02, AK202)."""
    batch: str | None = None
    """Number of the batch (BHT03, TRN02 of 277CA loop 2200B)."""
    set: str | None = None
    """Transaction set: 837, 270, 278 (ST01, AK201)."""


class Objection(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an acknowledgement objects to, by its place in the document sent (X12 999 IK3 and IK4, 997 AK3 and AK4)."""

    segment: str
    """Segment id (IK301)."""
    position: int | None = None
    """Place of the segment, counted from ST as 1 (IK302)."""
    loop: str | None = None
    """Loop of the guide (IK303)."""
    element: str | None = None
    """Place of the element, and of its component behind a point: 2, 2.1 (IK401)."""
    code: str | None = None
    """What is wrong (IK304 of a segment, IK403 of an element)."""


class ClaimStatusReport(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One answer about claims on their way: an acknowledgement or a status (X12 TA1, 999, 997, 277CA, 277).

    A claim's history is all the reports that name it, or the transmission that carried it, in the order they were made.
    """

    report: Literal["TA1", "997", "999", "277CA", "277"]
    """Which document said it."""
    level: Literal["interchange", "group", "transaction", "batch", "provider", "claim"]
    """How much it is about: everything sent at once down to one claim."""
    outcome: Literal[
        "accepted", "accepted-with-errors", "partly-accepted", "rejected", "forwarded", "pending", "more-information",
        "paid", "denied", "finalized", "not-found", "unavailable", "other",
    ]  # fmt: skip
    """What it says in one word."""
    control_number: str | None = None
    """Patient control number of the claim (TRN02 of 277 loop 2200D, which repeats CLM01)."""
    claim: RecordId | None = None
    """The Claim of that number."""
    patient: RecordId | None = None
    """Whose claim it is, a Patient."""
    payer: RecordId | None = None
    """Who decides, a Payer (NM101 PR)."""
    about: Transmission | None = None
    """The transmission it answers."""
    statuses: tuple[ClaimStatus, ...] = ()
    """Statuses of the claim, most important first (STC)."""
    lines: tuple[ClaimStatus, ...] = ()
    """Statuses of its service lines (STC of loop 2220D)."""
    action: str | None = None
    """U rejected, WQ accepted (STC03)."""
    charge: Money | None = None
    """Charged amount, US dollars (STC04)."""
    paid: Money | None = None
    """Amount paid, US dollars (STC05)."""
    check_number: str | None = None
    """Check or EFT number (STC09)."""
    payer_claim_number: str | None = None
    """The payer's number of the claim (REF01 1K)."""
    clearinghouse_number: str | None = None
    """The clearinghouse's number of the claim (REF01 D9)."""
    starts_on: date | None = None
    """First day of service (DTP03 of 472)."""
    ends_on: date | None = None
    """Last day of service (DTP03 of 472 as a range)."""
    errors: tuple[Objection, ...] = ()
    """What was objected to (IK3, IK4)."""
    codes: tuple[str, ...] = ()
    """Codes of the whole: TA105, IK502 and on, AK905 and on."""
    accepted_count: int | None = None
    """Claims or transactions accepted (AK904, QTY01 AA or QA)."""
    rejected_count: int | None = None
    """Claims or transactions rejected (AK902 less AK904, QTY01 YY or QC)."""
    next_step: str | None = None
    """What to do about it, in plain words."""
    reported_by: str | None = None
    """Who said it (ISA06, NM103 of the source level)."""
    reported_at: str | None = None
    """When, as the document has it: CCYYMMDDHHMM of its sender, who names no zone (GS04, GS05)."""

    def __post_init__(self) -> None:
        check_money(self, "charge", "paid")


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
    kind: Literal["professional", "institutional", "dental"] | None = None
    """Which form of claim it is (GS08, SV1 or SV2 or SV3)."""
    place_of_service: str | None = None
    """Place of service code, or type of bill of an institutional claim (CLM05-1)."""
    referring_npi: str | None = None
    """NPI of who referred the patient (NM109 with NM101 DN)."""
    supervising_npi: str | None = None
    """NPI of who supervised (NM109 with NM101 DQ)."""
    onset_on: date | None = None
    """Onset of the current illness or injury (DTP03 of 431)."""
    first_treated_on: date | None = None
    """Initial treatment (DTP03 of 454)."""
    accident_on: date | None = None
    """Day of the accident (DTP03 of 439)."""
    transmission: Transmission | None = None
    """The numbers it was sent under, which 999 and TA1 name."""
    difference: Money | None = None
    """Total charged less the sum of its lines, US dollars; absent when zero."""

    def __post_init__(self) -> None:
        check_money(self, "charge", "difference")


class ClaimDecision(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """That somebody wants a claim sent once more: a claim that was refused before any payer decided it."""

    control_number: str
    """The claim's number (CLM01)."""
    after: Instant
    """When the last word about the claim came, at the time of the decision: after each it is sent once."""
    decided_at: Instant
    """When."""
    decided_by: str
    """Principal who decided."""
    patient: RecordId | None = None
    """Whose claim it is, a Patient."""
    reason: str | None = None
    """Why, in a few words."""
