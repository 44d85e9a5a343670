"""What in a claim payment is a refusal, of which kind, and what to do: rules over code tables. Pure.

A line's own adjustments are looked at before the claim's. Of several that refuse, the largest counts. Adjustments that
refuse nothing (contract, payment policy, patient's share, information) are left out; a patient's share (PR) with a
reason that refuses is still a refusal. Where a reason says nothing by itself, a remark code decides the kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import cast

from msgspec import Struct

from gateway.mapping import shipped
from gateway.model.denial import DenialCategory
from gateway.model.remittance import Adjustment, ClaimPayment, ServiceLine
from gateway.model.values import ZERO

RULE = "denials/1"
"""Name and version of these rules."""

_NEVER = frozenset({"reversal", "predetermination", "not-ours-forwarded"})
_VAGUE = frozenset({"documentation", "other"})


class Judged(Struct, frozen=True):
    """One refusal."""

    place: str
    """Which line of the claim: its control number, or procedure and place; empty for the claim as a whole."""
    line: ServiceLine | None
    category: DenialCategory
    group: str | None
    reason: str | None
    remarks: tuple[str, ...]
    at_risk: Decimal
    partial: bool
    step: str


def judge(payment: ClaimPayment, order: Sequence[str]) -> Iterator[Judged]:
    """Every refusal that a claim payment holds."""
    if payment.status in _NEVER:
        return
    found = False
    for number, line in enumerate(payment.lines, 1):
        refusing = [one for one in line.adjustments if refuses(one)]
        if refusing:
            found = True
            place = line.line_control_number or f"{line.procedure_code}/{number}"
            yield _judged(place, line, refusing, (*line.remarks, *payment.remarks), line.paid > 0, order)
    own = [one for one in payment.adjustments if refuses(one)]
    if own:
        yield _judged("", None, own, payment.remarks, payment.paid > 0, order)
    elif payment.status == "denied" and not found:
        yield Judged(
            place="", line=None, category=_by_remark(payment.remarks, order) or "other", group=None, reason=None,
            remarks=payment.remarks, at_risk=payment.charge, partial=False, step=_step("manual-review"),
        )  # fmt: skip


def refuses(one: Adjustment) -> bool:
    """Whether an adjustment refuses money that may still be won. Unknown reasons are looked at by a person."""
    return one.amount > 0 and one.reason.upper() not in shipped("denial_other").codes


def shared(adjustments: Sequence[Adjustment]) -> bool:
    """Whether a part is left to the patient and nothing is refused, as with a deductible."""
    return any(one.group == "PR" and one.amount > 0 for one in adjustments) and not any(map(refuses, adjustments))


def _judged(
    place: str, line: ServiceLine | None, refusing: Sequence[Adjustment], remarks: tuple[str, ...], partial: bool,
    order: Sequence[str],
) -> Judged:  # fmt: skip
    main = max(refusing, key=lambda one: one.amount)  # the first of equal ones
    reason = main.reason.upper()
    category = shipped("denial_category").codes.get(reason, "other")
    hint = _by_remark(remarks, order)
    vague = category in _VAGUE or shipped("denial_by_remark").codes.get(reason) == "yes"
    return Judged(
        place=place, line=line, category=cast("DenialCategory", hint if hint and vague else category),
        group=main.group, reason=main.reason, remarks=remarks, partial=partial,
        at_risk=sum((one.amount for one in refusing), ZERO),
        step=_step(shipped("denial_action").codes.get(reason, "manual-review")),
    )  # fmt: skip


def _by_remark(remarks: Sequence[str], order: Sequence[str]) -> DenialCategory | None:
    """The kind that remark codes point at: of several the first of ``order``, then the first sent."""
    table = shipped("denial_remark").codes
    kinds = [table[one.upper()] for one in remarks if one.upper() in table]
    ranked = sorted(kinds, key=lambda kind: order.index(kind) if kind in order else len(order))
    return cast("DenialCategory", ranked[0]) if ranked else None


def _step(action: str) -> str:
    table = shipped("denial_step")
    return table.codes.get(action, table.unknown)
