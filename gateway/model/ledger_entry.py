"""Double-entry bookkeeping of what remittances, payments and adjustments mean."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import ZERO, Money, Refused, check_money

AccountRole = Literal[
    "cash",
    "payer-receivable",
    "patient-receivable",
    "revenue",
    "contractual-adjustment",
    "write-off",
    "refund-liability",
    "interest",
    "fees",
    "clearing",
]
"""What an account is for; each bookkeeping system has its own number for it."""


class LedgerLine(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One side of an entry, on an account named by its role; a sink maps roles to its chart of accounts."""

    account: AccountRole
    """Role of the account."""
    amount: Money
    """US dollars; positive is a debit, negative a credit."""
    patient: RecordId | None = None
    """The Patient it concerns."""
    payer: RecordId | None = None
    """The Payer it concerns."""
    location: RecordId | None = None
    """The Location it is booked for."""

    def __post_init__(self) -> None:
        check_money(self, "amount")


class LedgerEntry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A balanced set of lines booked together; one whose lines do not sum to zero is refused."""

    booked_on: date
    """Accounting date."""
    lines: tuple[LedgerLine, ...]
    """At least two lines that sum to zero."""
    kind: Literal[
        "charge", "remittance", "patient-payment", "adjustment", "refund", "reversal", "daily-close", "deposit"
    ]
    """What is booked; a daily close is all charges and patient payments of one day and clinic."""
    origin: RecordId | None = None
    """The record it books: a Remittance, ClaimPayment, PatientPayment or Visit."""
    reverses: RecordId | None = None
    """The LedgerEntry that it takes back."""
    trace_number: str | None = None
    """Check or EFT number of the payment it books, which the bank repeats (TRN02)."""
    memo: str | None = None
    """Explanation without patient values."""

    def __post_init__(self) -> None:
        if len(self.lines) < 2 or sum((line.amount for line in self.lines), ZERO):
            raise Refused("lines", "the lines of a ledger entry must sum to zero")
