"""Money a payer refused, and what can still be done about it."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant, Money, check_money

DenialCategory = Literal[
    "authorization",
    "eligibility",
    "benefit-limit",
    "non-covered",
    "coordination-of-benefits",
    "coding",
    "medical-necessity",
    "documentation",
    "timely-filing",
    "duplicate",
    "provider-credentialing",
    "other",
]


class Denial(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One refused claim or service line, derived from a ClaimPayment's adjustments."""

    category: DenialCategory
    """What kind of problem it is, by the rule table."""
    state: Literal["open", "working", "appealed", "resubmitted", "overturned", "upheld", "written-off"]
    """How far the work on it got."""
    claim_payment: RecordId | None = None
    """Where it was seen, a ClaimPayment."""
    claim: RecordId | None = None
    """The Claim refused."""
    patient: RecordId | None = None
    """Whose claim it is, a Patient."""
    payer: RecordId | None = None
    """Who refused, a Payer."""
    partial: bool | None = None
    """True when a part was paid."""
    after_another_payer: bool | None = None
    """True when another payer had decided before, so that the amount stood with the patient (CLP02 2, 3, 20, 21)."""
    line_control_number: str | None = None
    """The line refused (REF01 6R); absent when the whole claim was."""
    procedure_code: str | None = None
    """Procedure refused (SVC01-2)."""
    group: str | None = None
    """Who owes it by the payer's word: CO, PR, OA, PI (CAS01)."""
    reason: str | None = None
    """Primary claim adjustment reason code, CARC (CAS02)."""
    remarks: tuple[str, ...] = ()
    """Remark codes that refine it, RARC (LQ02, MOA)."""
    at_risk: Money | None = None
    """Money that may still be won, US dollars: the sum of the denying adjustments (CAS03)."""
    recovered: Money | None = None
    """Money won since, US dollars."""
    denied_on: date | None = None
    """Payment date of the remittance (BPR16)."""
    act_by: date | None = None
    """Last day to appeal or resubmit under the payer's rule."""
    next_step: str | None = None
    """What to do, in plain words."""
    rule: str | None = None
    """Name and version of the rule that chose the category."""

    def __post_init__(self) -> None:
        check_money(self, "at_risk", "recovered")


class DenialDecision(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What somebody decided of a denial; the last one counts, until the payer decides anew."""

    denial: RecordId
    """The Denial."""
    claim_payment: RecordId
    """The ClaimPayment that refused when it was decided: a later refusal is another question."""
    claim_number: str
    """The claim's number, by which denials are derived (CLP01); the payment's id where it has none."""
    place: str
    """Which line of the claim, as its denial is named; ``claim`` for the claim as a whole."""
    verdict: Literal["written-off", "open"]
    """Given up, or to be worked on after all."""
    decided_by: str
    """Principal who decided."""
    decided_at: Instant
    """When."""
    patient: RecordId | None = None
    """Whose claim it is, a Patient."""
    reason: str | None = None
    """Why, in a few words."""
