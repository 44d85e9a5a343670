"""What became of a claim: every answer to it in the order they came."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.model.claim import ClaimStatus
from gateway.model.identity import RecordId
from gateway.model.values import Instant, Money, check_money


class ClaimStep(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that was sent or said of a claim."""

    at: Instant
    """When it reached the gateway."""
    document: Literal["837", "277CA", "277", "835"]
    """Which document: the claim itself, an acknowledgement, a status, a remittance."""
    outcome: str
    """What it says in one word: sent, accepted, rejected, pending, paid, denied, reversed ..."""
    record: RecordId
    """The Claim, ClaimStatusReport or ClaimPayment."""
    statuses: tuple[ClaimStatus, ...] = ()
    """Statuses it names, most important first (STC)."""
    paid: Money | None = None
    """Paid amount, US dollars (CLP04, STC05)."""

    def __post_init__(self) -> None:
        check_money(self, "paid")


class ClaimProgress(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a claim stands, and how it got there."""

    control_number: str
    """Patient control number, which every answer repeats (CLM01)."""
    state: Literal[
        "sent", "forwarded", "accepted", "rejected", "pending", "more-information", "not-found", "finalized", "paid",
        "denied", "reversed",
    ]  # fmt: skip
    """What the newest step says."""
    history: tuple[ClaimStep, ...] = ()
    """Every step, oldest first."""
    claim: RecordId | None = None
    """The Claim as it was sent, else as it was drafted."""
    patient: RecordId | None = None
    """Who was treated, a Patient."""
    payer: RecordId | None = None
    """Who decides, a Payer."""
    charge: Money | None = None
    """Total charged, US dollars (CLM02)."""
    sent_at: Instant | None = None
    """When it was sent first; absent for a claim of which only answers are known."""
    payer_claim_number: str | None = None
    """The payer's number of the claim (CLP07, REF01 1K)."""
    forwarded_to: str | None = None
    """Payer that the first one passed it on to, so that nobody bills it again (NM1 TT; unknown where not named)."""
    asked: int = 0
    """How often the payer was asked about it (276)."""
    made_here: bool = False
    """Whether it was made here; of others only a copy is known."""
    next_step: str | None = None
    """What to do about it, in plain words."""

    def __post_init__(self) -> None:
        check_money(self, "charge")
