"""Whether money that was announced is money that arrived."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Money, check_money


class Settlement(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One side of a payment set against the other: a remittance and the bank, or a claim and its payments."""

    kind: Literal["deposit", "claim"]
    """What is matched: a remittance with bank lines by trace number (TRN02), or a claim with its payments (CLP01)."""
    state: Literal["open", "matched", "short", "over"]
    """Open while the other side is missing; short and over when it is less or more than announced."""
    number: str
    """What both sides carry: the trace number, or the patient control number."""
    expected: Money
    """US dollars announced: BPR02 of the remittances, or the claim's charge."""
    received: Money
    """US dollars found: the bank lines, or what payer, patient and contract account for."""
    difference: Money
    """Received less expected, US dollars."""
    paid: Money | None = None
    """What the payer paid on a claim, reversals taken off, US dollars (CLP04)."""
    patient_responsibility: Money | None = None
    """What the payer left to the patient, US dollars (CAS of group PR)."""
    remittances: tuple[RecordId, ...] = ()
    """The Remittances of that number."""
    bank_lines: tuple[RecordId, ...] = ()
    """The BankTransactions of that number."""
    claim: RecordId | None = None
    """The Claim."""
    payments: tuple[RecordId, ...] = ()
    """Its ClaimPayments, oldest first."""
    patient: RecordId | None = None
    """Whose claim it is, a Patient."""
    payer: RecordId | None = None
    """Who pays, a Payer."""
    payer_name: str | None = None
    """Its name as the remittance has it."""
    since: date | None = None
    """Payment date of the remittance, day of the bank line, or first day of service, whichever is known first."""
    repeats: int | None = None
    """How many remittances of that number came more than once, by another channel; absent when none did."""

    def __post_init__(self) -> None:
        check_money(self, "expected", "received", "difference", "paid", "patient_responsibility")
