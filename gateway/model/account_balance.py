"""What is owed on an account, and for how long."""

from __future__ import annotations

from datetime import date

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Money, check_money


class AgedAmount(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The part of what is owed that is so old (FHIR R5 Account.balance)."""

    days: int
    """At least so many days old, and less than the next part's."""
    amount: Money
    """US dollars; negative for a credit."""

    def __post_init__(self) -> None:
        check_money(self, "amount")


class AccountBalance(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a patient or a payer owes a clinic, as a report of receivables has it (FHIR R5 Account.balance)."""

    owing: Money
    """US dollars owed in all; negative for a credit."""
    patient: RecordId | None = None
    """Who was treated, a Patient."""
    payer: RecordId | None = None
    """Who owes it, a Payer; the patient when absent."""
    location: RecordId | None = None
    """Clinic, a Location."""
    aged: tuple[AgedAmount, ...] = ()
    """How old its parts are, youngest first."""
    as_of: date | None = None
    """Day of the report, where it says so."""

    def __post_init__(self) -> None:
        check_money(self, "owing")
