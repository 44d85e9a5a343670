"""What a patient owes and what a patient paid."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant, Money, check_money


class InvoiceLine(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One item of an invoice (FHIR Invoice.lineItem)."""

    description: str
    """What it is for, in the source's words (Invoice.lineItem.chargeItem)."""
    amount: Money
    """US dollars for the whole line (Invoice.lineItem.priceComponent)."""
    procedure_code: str | None = None
    """CPT or HCPCS code or the source's item code."""
    quantity: Decimal | None = None
    """How many."""
    visit: RecordId | None = None
    """The Visit it charges for."""

    def __post_init__(self) -> None:
        check_money(self, "amount")


class Invoice(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A bill or statement to a patient (FHIR Invoice)."""

    number: str | None = None
    """Number on the bill (Invoice.identifier)."""
    status: Literal["draft", "issued", "partly-paid", "paid", "void", "collections"] | None = None
    """Where it stands (Invoice.status)."""
    patient: RecordId | None = None
    """Who was treated, a Patient (Invoice.subject)."""
    location: RecordId | None = None
    """Clinic, a Location."""
    issued_on: date | None = None
    """Day of the bill (Invoice.date)."""
    due_on: date | None = None
    """Day by which it should be paid."""
    lines: tuple[InvoiceLine, ...] = ()
    """What it is for (Invoice.lineItem)."""
    total: Money | None = None
    """Amount due with tax, US dollars (Invoice.totalGross)."""
    tax: Money | None = None
    """Tax within the total, US dollars."""
    paid: Money | None = None
    """Paid so far, US dollars."""
    outstanding: Money | None = None
    """Still to pay, US dollars."""

    def __post_init__(self) -> None:
        check_money(self, "total", "tax", "paid", "outstanding")


class PatientPayment(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Money received from a patient (FHIR PaymentNotice)."""

    amount: Money
    """US dollars; negative for a refund (PaymentNotice.amount)."""
    patient: RecordId | None = None
    """Whose account, a Patient."""
    invoices: tuple[RecordId, ...] = ()
    """The Invoices it pays."""
    location: RecordId | None = None
    """Clinic that took it, a Location."""
    method: Literal["cash", "check", "card", "ach", "portal", "other"] | None = None
    """How it was paid (PaymentNotice.payment)."""
    kind: Literal["copay", "coinsurance", "deductible", "balance", "prepayment", "refund", "other"] | None = None
    """What it was paid for."""
    received_at: Instant | None = None
    """When it was received (PaymentNotice.paymentDate)."""
    reference: str | None = None
    """Check or processor's transaction number; never a card number."""

    def __post_init__(self) -> None:
        check_money(self, "amount")
