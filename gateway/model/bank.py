"""What the bank says happened to the money."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Money, check_money


def trace_key(number: str) -> str:
    """A trace number as both sides can be found by: banks pad with zeros and drop blanks and case."""
    return "".join(number.split()).upper().lstrip("0") or "0"


class BankTransaction(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of a bank statement (BAI2 record 16, camt.053 Ntry, OFX STMTTRN)."""

    amount: Money
    """US dollars; positive is money in (camt Amt with CdtDbtInd, BAI2 16-3)."""
    booked_on: date
    """Day the bank booked it (camt BookgDt, OFX DTPOSTED)."""
    value_on: date | None = None
    """Day it counts for interest (camt ValDt)."""
    account: str | None = None
    """The clinic's name for the account; never the account number."""
    bank_reference: str | None = None
    """The bank's own number of the line (camt AcctSvcrRef, OFX FITID)."""
    trace_number: str | None = None
    """Re-association trace number of an ACH payment's addenda, or the check number (TRN02, CCD+ addenda)."""
    originating_id: str | None = None
    """Originating company id of the payer (TRN03)."""
    kind: Literal["ach", "check", "card", "wire", "fee", "other"] | None = None
    """How the money moved (BAI2 type code)."""
    description: str | None = None
    """The statement's own text (camt AddtlNtryInf, OFX MEMO)."""
    remittances: tuple[RecordId, ...] = ()
    """The Remittances that this money settles."""

    def __post_init__(self) -> None:
        check_money(self, "amount")
