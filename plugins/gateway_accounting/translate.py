"""Records to lines of journals. Pure.

A claim payment moves its charge out of the payer's receivable: into money, into what the contract takes, and into what
the patient owes. Adjustments that refuse money which may still be won (see the code table ``denial_other``) move
nothing: the claim stays owed until it is paid, or its denial is written off. A reversal (CLP02 22) has negative amounts
and so takes back what was booked. Provider adjustments (PLB) reduce the money when positive.

A payer that decides after another one repeats the whole charge and says of most of it that the first has dealt with
it (CARC 23 and its like). That is booked already, so it moves nothing; what the later payer pays or takes by contract
comes off what the first left to the patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gateway.adjudication import after_another_payer, all_adjustments
from gateway.mapping import shipped
from gateway.model.charge_item import ChargeItem
from gateway.model.denial import Denial
from gateway.model.identity import RecordId
from gateway.model.invoice import PatientPayment
from gateway.model.ledger_entry import AccountRole
from gateway.model.remittance import Adjustment, ClaimPayment, Remittance
from gateway.model.values import ZERO
from gateway.model.visit import Visit

if TYPE_CHECKING:
    from gateway_accounting.config import AccountingConfig

PROVIDER_ADJUSTMENTS: dict[str, AccountRole] = {
    **dict.fromkeys(("72", "AP", "AW", "FB", "PI", "RF", "WO", "WU"), "refund-liability"),
    **dict.fromkeys(("IN", "L6"), "interest"),
    **dict.fromkeys(("50", "51", "IR", "L3", "LE", "LR", "PW", "RS", "SL"), "fees"),
    **dict.fromkeys(("BN", "CT", "IP"), "revenue"),
    **dict.fromkeys(("BD", "J1"), "write-off"),
    "90": "contractual-adjustment",
}
"""Accounts of PLB03-1 reasons; what is not here waits on the clearing account."""

_UNTOLD = frozenset({"predetermination"})
"""Claim statuses that move no money and owe none."""
_TOLD_BEFORE = frozenset({"23", "275", "276"})
"""Reasons that repeat what an earlier payer did with the amount; CARC 303 takes it from the patient."""


class Book:
    """Amounts by account, payer and clinic; debits are positive."""

    def __init__(self, payer: RecordId | None = None, location: RecordId | None = None) -> None:
        self._payer = payer
        self._location = location
        self._amounts: dict[tuple[AccountRole, bool], Decimal] = {}

    def move(self, debit: AccountRole, credit: AccountRole, amount: Decimal, *, apart: bool = False) -> None:
        """Debit one account and credit another, so that the book always balances.

        A debit ``apart`` is a line of its own, behind what else there is on its account.
        """
        for place, part in (((debit, apart), amount), ((credit, False), -amount)):
            self._amounts[place] = self._amounts.get(place, ZERO) + part

    def lines(self) -> list[dict[str, Any]]:
        """Lines of a ledger entry; none when everything came to nothing."""
        about = {"payer": self._payer, "location": self._location}
        told = {name: value for name, value in about.items() if value is not None}
        return [{"account": place[0], "amount": self._amounts[place], **told} for place in sorted(self._amounts)
                if self._amounts[place]]  # fmt: skip  # one line of a journal reads as one


class Hold(Struct, frozen=True):
    """Why a remittance is not booked, and by how much it is off."""

    reason: str
    money: Decimal


def hold(remittance: Remittance, claims: Sequence[ClaimPayment]) -> Hold | None:
    """Why a person must look first; None when every level adds up to the cent."""
    if remittance.claim_count is not None and len(claims) != remittance.claim_count:
        paid = sum((one.paid for one in claims), ZERO)
        return Hold("incomplete", abs((remittance.paid_total or ZERO) - paid))
    off = remittance.amount - cash_of(remittance, claims)
    wrong = remittance.balanced is False or any(
        one.claim_balanced is False or one.line_balanced is False for one in claims
    )
    return Hold("unbalanced", abs(off) or abs(remittance.difference or ZERO)) if off or wrong else None


def cash_of(remittance: Remittance, claims: Iterable[ClaimPayment]) -> Decimal:
    """What the claims and provider adjustments say that was paid (BPR02 when it balances)."""
    paid = sum((one.paid for one in claims), ZERO)
    return paid - sum((one.amount for one in remittance.provider_adjustments), ZERO)


def remittance_lines(
    remittance: Remittance, claims: Sequence[ClaimPayment], settings: AccountingConfig
) -> list[dict[str, Any]]:
    """The journal of one remittance; its money line is the amount that the bank will show."""
    location = settings.payees.get(remittance.payee_id or "")
    book = Book(remittance.payer, RecordId(location) if location else None)
    money: AccountRole = "clearing" if settings.deposits else "cash"
    for claim in claims:
        owed = _owed(claim, settings)
        book.move(money, owed, claim.paid)
        if settings.basis == "accrual" and claim.status not in _UNTOLD:
            for one in all_adjustments(claim):
                role = adjustment_role(one, settings)
                if role is not None:
                    book.move(role, owed, one.amount)
    for other in remittance.provider_adjustments:
        reason = other.reason.upper()
        usual = PROVIDER_ADJUSTMENTS.get(reason, "clearing")
        role = settings.provider_adjustments.get(reason, usual)
        book.move(role, money, other.amount, apart=role == money)  # the money line stays what the bank will show
    off = remittance.amount - cash_of(remittance, claims)
    if off and not settings.deposits:  # only of one that a person released; with deposits clearing holds all of it
        book.move(money, "clearing", off)
    elif off:
        book.move(money, "payer-receivable" if settings.basis == "accrual" else "revenue", off)
    return book.lines()


def _owed(claim: ClaimPayment, settings: AccountingConfig) -> AccountRole:
    """Where the amount stands that a claim payment settles."""
    if settings.basis == "cash":
        return "revenue"
    return "patient-receivable" if after_another_payer(claim) else "payer-receivable"


def adjustment_role(one: Adjustment, settings: AccountingConfig) -> AccountRole | None:
    """Where an adjustment goes; None when it leaves the claim owed as it was."""
    group, reason = one.group.upper(), one.reason.upper()
    chosen = settings.adjustments.get(f"{group}-{reason}")
    if chosen is not None:
        return chosen
    if reason in _TOLD_BEFORE:
        return None
    chosen = settings.adjustments.get(group)
    if chosen is not None:
        return chosen
    if group == "PR":
        return "patient-receivable"
    return "contractual-adjustment" if reason in shipped("denial_other").codes else None


def owed_after(denial: Denial, settings: AccountingConfig) -> AccountRole | None:
    """On which receivable a refusal left its amount; None where an account of the settings has taken it already."""
    untouched: AccountRole = "patient-receivable" if denial.after_another_payer else "payer-receivable"
    if not denial.group or not denial.reason:
        return untouched
    role = adjustment_role(Adjustment(group=denial.group, reason=denial.reason, amount=ZERO), settings)
    if role is None:
        return untouched
    return "patient-receivable" if role == "patient-receivable" else None


def charges_by_day(record: Visit | ChargeItem) -> dict[date, Decimal]:
    """What a visit or a single charge adds to each day; nothing when it was cancelled or voided."""
    found: dict[date, Decimal] = {}
    if isinstance(record, ChargeItem):
        if record.amount is not None and record.service_date is not None and record.active is not False:
            found[record.service_date] = record.amount
        return found
    if record.status == "cancelled":
        return found
    for charge in record.charges:
        day = charge.service_date or record.service_date
        if day is not None and charge.amount is not None:
            found[day] = found.get(day, ZERO) + (-abs(charge.amount) if charge.credit else charge.amount)
    return found


def day_lines(
    charged: Decimal, payments: Iterable[PatientPayment], location: RecordId | None, settings: AccountingConfig
) -> list[dict[str, Any]]:
    """The journal of one day and clinic."""
    book = Book(location=location)
    accrual = settings.basis == "accrual"
    if accrual:
        book.move("payer-receivable", "revenue", charged)
    for one in payments:
        book.move("cash", "patient-receivable" if accrual else "revenue", one.amount)
    return book.lines()
