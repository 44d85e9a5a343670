"""What one payer decided of a claim, as the next payer must be told (X12 837 loops 2320, 2330 and 2430)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from msgspec import Struct

from gateway.model.coverage import Coverage
from gateway.model.remittance import Adjustment
from gateway.model.values import Money, check_money


class PriorLine(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was decided of one service line (loop 2430)."""

    place: int
    """Which line of the claim, from 1 (LX01)."""
    procedure_code: str
    """CPT or HCPCS code that was paid (SVD03-2)."""
    paid: Money
    """Paid amount, US dollars (SVD02)."""
    modifiers: tuple[str, ...] = ()
    """Its modifiers in order (SVD03-3 to SVD03-6)."""
    units: Decimal | None = None
    """Units paid (SVD05)."""
    adjustments: tuple[Adjustment, ...] = ()
    """Why paid differs from charge (CAS)."""

    def __post_init__(self) -> None:
        check_money(self, "paid")


class PriorDecision(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one payer decided of a claim (loop 2320)."""

    policy: Coverage
    """The policy it decided under."""
    paid: Money
    """Paid amount, US dollars (AMT01 D)."""
    payer_claim_number: str | None = None
    """That payer's number of the claim (REF01 F8 of loop 2330B)."""
    decided_on: date | None = None
    """Day of the decision or payment (DTP01 573)."""
    adjustments: tuple[Adjustment, ...] = ()
    """Adjustments of the claim as a whole (CAS)."""
    lines: tuple[PriorLine, ...] = ()
    """Its lines; none when the payer decided the claim as a whole."""

    def __post_init__(self) -> None:
        check_money(self, "paid")
