"""What a claim payment says of payers that decided before its own. Pure."""

from __future__ import annotations

from gateway.mapping import shipped
from gateway.model.remittance import Adjustment, ClaimPayment

_LATER = ("processed-secondary", "processed-tertiary")
"""Beginnings of the claim statuses of payers that decide after another one (CLP02 2, 3, 20, 21)."""
_PRIOR = "prior-payer"
"""What the code table ``denial_other`` calls reasons that only a later payer gives."""


def all_adjustments(claim: ClaimPayment) -> list[Adjustment]:
    """Those of the claim, then those of its lines."""
    return [*claim.adjustments, *(one for line in claim.lines for one in line.adjustments)]


def after_another_payer(claim: ClaimPayment) -> bool:
    """Whether another payer had decided before: what this one was asked for stood with the patient already.

    Known by CLP02, or by a reason that only such a payer gives: one that says no to all of it sends CLP02 4.
    """
    table = shipped("denial_other").codes
    later = any(table.get(one.reason.upper()) == _PRIOR for one in all_adjustments(claim))
    return later or claim.status.startswith(_LATER)
