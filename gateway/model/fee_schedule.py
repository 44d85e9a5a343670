"""What a payer agreed to pay for each procedure."""

from __future__ import annotations

from datetime import date

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Money, check_money


class Fee(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The price of one procedure (FHIR ChargeItemDefinition.propertyGroup.priceComponent)."""

    procedure_code: str
    """CPT or HCPCS code."""
    amount: Money
    """US dollars for one unit."""
    modifiers: tuple[str, ...] = ()
    """Modifiers that the price is for; empty for any."""

    def __post_init__(self) -> None:
        check_money(self, "amount")


class FeeSchedule(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A contract's price list (FHIR ChargeItemDefinition)."""

    name: str | None = None
    """What the clinic calls it."""
    payer: RecordId | None = None
    """Whose contract it is, a Payer; absent for the clinic's own charges."""
    locations: tuple[RecordId, ...] = ()
    """Clinics it holds for, Locations; empty for all."""
    starts_on: date | None = None
    """First day of service it holds for."""
    ends_on: date | None = None
    """Last day of service it holds for."""
    fees: tuple[Fee, ...] = ()
    """Price per procedure."""
