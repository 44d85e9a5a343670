"""Insurance: the policy a patient holds and what the payer says it covers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant, Money, check_money


class Coverage(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A patient's insurance policy (HL7 IN1, X12 loop 2000B, FHIR Coverage)."""

    patient: RecordId | None = None
    """Whom it covers, a Patient (Coverage.beneficiary)."""
    payer: RecordId | None = None
    """Who pays, a Payer (IN1-3, NM101 PR, Coverage.payor)."""
    member_id: str | None = None
    """Member identification number (IN1-36, NM109 with NM108 MI, Coverage.subscriberId)."""
    group_number: str | None = None
    """Group or policy number (IN1-8, SBR03, Coverage.class)."""
    plan_name: str | None = None
    """Name of the plan (IN1-35, SBR04, Coverage.class.name)."""
    filing_indicator: str | None = None
    """Claim filing indicator: MB Medicare B, CI commercial, WC workers' compensation (SBR09)."""
    priority: int | None = None
    """1 primary, 2 secondary, 3 tertiary (IN1-22, SBR01, Coverage.order)."""
    relationship: Literal["self", "spouse", "child", "other"] | None = None
    """The patient's relationship to the subscriber (IN1-17, SBR02, Coverage.relationship)."""
    subscriber_name: str | None = None
    """Who holds the policy (IN1-16, NM101 IL)."""
    subscriber_birth_date: date | None = None
    """The subscriber's date of birth (IN1-18, DMG02)."""
    starts_on: date | None = None
    """First day of cover (IN1-12, Coverage.period.start)."""
    ends_on: date | None = None
    """Last day of cover (IN1-13, Coverage.period.end)."""
    active: bool | None = None
    """Whether the source holds it to be in force (Coverage.status)."""


class Benefit(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A payer's answer about what a policy covers (X12 271 EB, FHIR CoverageEligibilityResponse)."""

    coverage: RecordId | None = None
    """The Coverage asked about (CoverageEligibilityResponse.insurance.coverage)."""
    patient: RecordId | None = None
    """The Patient asked about."""
    active: bool | None = None
    """Whether the policy was in force (EB01 1 to 5 active, 6 to 8 inactive)."""
    service_type: str | None = None
    """Service type code: PT, AE, 98, 30 (EB03)."""
    in_network: bool | None = None
    """Whether the figures are for in-network care (EB12)."""
    copay: Money | None = None
    """Fixed amount per visit, US dollars (EB07 with EB01 B)."""
    coinsurance: Decimal | None = None
    """The patient's share as a fraction, 0.2 is 20 percent (EB08 with EB01 A)."""
    deductible: Money | None = None
    """Deductible for the period, US dollars (EB07 with EB01 C)."""
    deductible_left: Money | None = None
    """What is left of it (EB07 with EB01 C, EB06 29)."""
    out_of_pocket: Money | None = None
    """Out-of-pocket maximum for the period, US dollars (EB07 with EB01 G)."""
    out_of_pocket_left: Money | None = None
    """What is left of it (EB07 with EB01 G, EB06 29)."""
    visit_limit: int | None = None
    """Visits allowed in the period (EB10 with EB01 F, EB09 VS)."""
    visits_used: int | None = None
    """Visits used in the period (EB10 with EB09 99); limit less remaining where only these were sent."""
    visits_left: int | None = None
    """Visits left in the period (EB10 with EB01 F, EB06 29)."""
    plan_name: str | None = None
    """Name of the plan (EB05)."""
    group_number: str | None = None
    """Group number (REF01 6P)."""
    other_payers: tuple[str, ...] = ()
    """Names of other payers to ask first (EB01 R, NM103 of loop 2120)."""
    authorization_required: bool | None = None
    """Whether the payer wants an authorization first (EB11)."""
    notes: tuple[str, ...] = ()
    """The payer's own sentences, such as a limit shared by PT and OT (MSG01)."""
    rejection: str | None = None
    """Why the question got no answer (AAA03)."""
    follow_up: str | None = None
    """What the payer allows next: C correct and send again, N do not, R send again (AAA04)."""
    next_step: str | None = None
    """What to do about a rejection, in plain words."""
    trace_number: str | None = None
    """Our number of the question, which the answer repeats (TRN02)."""
    answered_at: str | None = None
    """When the payer answered, as it wrote it: CCYYMMDDHHMM without a zone (BHT04, BHT05)."""
    checked_at: Instant | None = None
    """When the payer answered (BHT04, BHT05)."""

    def __post_init__(self) -> None:
        check_money(self, "copay", "deductible", "deductible_left", "out_of_pocket", "out_of_pocket_left")
