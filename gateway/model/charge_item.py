"""One charge on its own, from systems that tell of charges one by one."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Money, check_money


class ChargeItem(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One billed procedure as a record of its own (FHIR ChargeItem).

    Where a source sends a visit whole, its charges are in the Visit; where each charge changes and goes by itself, a
    list in the Visit could lose one when files come late, so that each is a record with its own version.
    """

    procedure_code: str | None = None
    """CPT or HCPCS code (FT1-25, SV101-2, ChargeItem.code)."""
    modifiers: tuple[str, ...] = ()
    """Modifiers in order: GP, KX, CQ, 59 (FT1-26, SV101-3 to SV101-6)."""
    units: Decimal | None = None
    """Billed units (FT1-10, SV104, ChargeItem.quantity)."""
    minutes: int | None = None
    """Minutes of treatment behind the units, where the source tells them."""
    amount: Money | None = None
    """Charged amount for all units, US dollars (FT1-11, SV102, ChargeItem.priceOverride)."""
    service_date: date | None = None
    """Day of treatment in the clinic's zone (FT1-4, DTP01 472, ChargeItem.occurrence)."""
    finalized_on: date | None = None
    """Day the note behind it was closed."""
    note_type: str | None = None
    """Kind of that note: DN daily, IE initial evaluation, PN progress, DS discharge."""
    patient: RecordId | None = None
    """Who was treated, a Patient (ChargeItem.subject)."""
    visit: RecordId | None = None
    """The Visit it belongs to (ChargeItem.context)."""
    practitioner: RecordId | None = None
    """Who treated, a Practitioner (FT1-20, ChargeItem.performer)."""
    supervisor: RecordId | None = None
    """Who signed for an assistant, a Practitioner."""
    location: RecordId | None = None
    """Where, a Location (ChargeItem.performingOrganization)."""
    episode: RecordId | None = None
    """The EpisodeOfCare it belongs to."""
    coverage: RecordId | None = None
    """The Coverage it is charged to (Account.coverage)."""
    paid: Money | None = None
    """What was paid on it so far, US dollars, where the source counts that."""
    balance: Money | None = None
    """What is still open, US dollars, where the source counts that."""
    active: bool | None = None
    """False when it was voided or replaced by another charge."""

    def __post_init__(self) -> None:
        check_money(self, "amount", "paid", "balance")
