"""Who decided what: payments of a claim, and of the claims made of it for further payers, sorted by payer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from gateway.model.remittance import ClaimPayment
from gateway.model.submission import Submission
from gateway_followup.translate import REVERSAL, Facts, control_number, moment

if TYPE_CHECKING:
    from gateway_followup.config import FollowUpConfig

TURNS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
)  # fmt: skip
"""Payers in the order they pay: as many as the 837P has names for (SBR01)."""
_TURN = {f"processed-{word}": turn for turn, word in enumerate(("primary", "secondary", "tertiary"))}
_LAST = max(_TURN.values())
_FORWARDED = "-forwarded"
_UNNAMED = "unknown"


class Decision(Struct, frozen=True, kw_only=True):
    """What one payer decided and nothing took back."""

    at: datetime
    number: str
    """Under which number of the claim it was told."""
    payment: ClaimPayment
    forwarded_to: str | None
    """Who got the claim from this payer; the word ``unknown`` when it does not say; None when it passed nothing on."""


def numbers(submission: Submission) -> tuple[str, ...]:
    """The numbers of a claim: its own, and those under which its further payers get it."""
    first = submission.control_number
    further = zip(TURNS[1:], submission.other_policies, strict=False)
    return (first, *(control_number(turn, first) for turn, _ in further))


def decisions(chain: Sequence[Facts], settings: FollowUpConfig) -> dict[int, Decision]:
    """The standing decision of each payer; what was said of the claim it got counts before what was said of another."""
    found: dict[int, Decision] = {}
    for turn, known in enumerate(chain):
        found |= decided(known, turn, settings)
    return found


def decided(known: Facts, first: int, settings: FollowUpConfig) -> dict[int, Decision]:
    """Standing decisions under one number, which went to the payer of turn ``first``; later ones got it from there."""
    standing: dict[int, Decision] = {}
    for one, payment in known.payments:
        if payment.status == REVERSAL:
            standing.pop(_reversed(standing, payment), None)
            continue
        turn = _turn(payment, standing, first)
        if turn is not None:
            standing[turn] = Decision(
                at=moment(one), number=known.number, payment=payment, forwarded_to=_passed_on(payment, settings)
            )
    return standing


def _turn(payment: ClaimPayment, standing: dict[int, Decision], first: int) -> int | None:
    """Whose decision it is; a refusal of a claim that was passed on is that of who got it.

    The 835 has no word for payers after the third (CLP02 3 is its last): what comes once a third payer passed the
    claim on, under another payer's number, is the next one's.
    """
    if payment.status == "denied":
        turn = first
        while turn in standing and standing[turn].forwarded_to:
            turn += 1
        return turn
    told = _TURN.get(payment.status.removesuffix(_FORWARDED))
    if told is None:
        return None
    turn = max(first, told)
    while told == _LAST and turn in standing and _another(payment, standing[turn]):
        turn += 1
    return turn


def _another(payment: ClaimPayment, before: Decision) -> bool:
    """Whether a payment is the decision of a payer that got the claim from the one that decided before."""
    return before.forwarded_to is not None and payment.payer_claim_number != before.payment.payer_claim_number


def _reversed(standing: dict[int, Decision], payment: ClaimPayment) -> int:
    """Whose decision a reversal takes back: that of the payer's number, else the newest; -1 when there is none."""
    number = payment.payer_claim_number
    same = [turn for turn, one in standing.items() if number and one.payment.payer_claim_number == number]
    return max(same or standing, default=-1)


def _passed_on(payment: ClaimPayment, settings: FollowUpConfig) -> str | None:
    remarks = {*payment.remarks, *(remark for line in payment.lines for remark in line.remarks)}
    by_status = payment.status.endswith(_FORWARDED) or payment.forwarded_to is not None
    if by_status or remarks & set(settings.passed_on_remarks):
        return payment.forwarded_to or _UNNAMED
    return None
