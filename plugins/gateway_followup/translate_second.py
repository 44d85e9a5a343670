"""The claim to the second payer, once the first has decided and did not pass it on by itself. Pure.

The second payer is told the first one's decision to the cent: charge less every adjustment is what was paid, for each
line and for the claim. A decision that does not add up, or that cannot be laid beside the lines billed, is work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from gateway.errors import InvalidContent
from gateway.model.claim import Claim, ClaimLine
from gateway.model.coordination import PriorDecision, PriorLine
from gateway.model.coverage import Coverage
from gateway.model.exchange import Derived
from gateway.model.remittance import Adjustment, ClaimPayment, ServiceLine, imbalance
from gateway.model.submission import Submission
from gateway.model.values import ZERO
from gateway_followup.translate import REVERSAL, Facts, moment
from gateway_followup.translate_wait import control_number, task

if TYPE_CHECKING:
    from gateway_followup.config import FollowUpConfig

_DECIDED = frozenset({"processed-primary", "processed-primary-forwarded", "denied"})
_LATER = frozenset({"processed-secondary", "processed-secondary-forwarded", "processed-tertiary"})
_UNNAMED = "unknown"


class Next(Struct, frozen=True, kw_only=True):
    """What follows from the first payer's decision."""

    records: tuple[Derived, ...] = ()
    forwarded_to: str | None = None
    again: datetime | None = None


def second(known: Facts, settings: FollowUpConfig, now: datetime) -> Next:
    """The second payer's claim; the wait for one that was passed on; or a task that says why there is neither."""
    standing = _standing(known)
    submission = known.submission
    if standing is None:
        return Next()
    at, decided = standing
    forwarded = _passed_on(decided, settings)
    if forwarded is not None:
        return _passed(known, forwarded, at + timedelta(days=settings.passed_on_days), now)
    if not settings.second_payers or submission is None or submission.claim is None or not submission.other_policies:
        return Next()
    if _left(decided) <= 0:
        return Next()  # nothing that a second payer could owe
    policy = submission.other_policies[0]
    try:
        prior = _prior(submission, submission.claim, decided)
    except InvalidContent as error:
        title = "Send the claim to the second payer by hand, or correct what holds it."
        why = f"{error.what} ({error.where}) [{error.reason}]."
        return Next(records=(task(known, "second-payer-held", title, why, _left(decided)),))
    return Next(records=(_claim(known, submission, submission.claim, policy, prior),))


def _standing(known: Facts) -> tuple[datetime, ClaimPayment] | None:
    """The first payer's decision that nothing took back."""
    found = None
    for one, record in known.payments:
        if record.status == REVERSAL:
            found = None
        elif record.status in _DECIDED:
            found = moment(one), record
    return found


def _passed_on(decided: ClaimPayment, settings: FollowUpConfig) -> str | None:
    """Who got the claim from the first payer; the word ``unknown`` when it does not say."""
    remarks = {*decided.remarks, *(remark for line in decided.lines for remark in line.remarks)}
    by_status = decided.status.endswith("-forwarded") or decided.forwarded_to is not None
    if by_status or remarks & set(settings.passed_on_remarks):
        return decided.forwarded_to or _UNNAMED
    return None


def _passed(known: Facts, forwarded: str, due: datetime, now: datetime) -> Next:
    """A claim passed on is not billed again; it is work when the second payer says nothing of it."""
    if any(record.status in _LATER for _, record in known.payments):
        return Next(forwarded_to=forwarded)
    if due > now:
        return Next(forwarded_to=forwarded, again=due)
    title = "Ask the second payer about a claim that the first one passed on."
    why = "The first payer said that it passed the claim on, and no answer came since."
    return Next(records=(task(known, "passed-on-unanswered", title, why),), forwarded_to=forwarded)


def _left(decided: ClaimPayment) -> Decimal:
    """What the first payer leaves to the patient."""
    return sum((one.amount for one in _all(decided) if one.group == "PR"), ZERO)


def _all(decided: ClaimPayment) -> Iterator[Adjustment]:
    yield from decided.adjustments
    for line in decided.lines:
        yield from line.adjustments


def _prior(submission: Submission, claim: Claim, decided: ClaimPayment) -> PriorDecision:
    """The decision as the second payer is told it; ``InvalidContent`` when it does not add up or fit."""
    if submission.policy is None:
        raise InvalidContent("no-policy", "The first payer's policy is not known", where="loop 2320")
    charge = sum((line.charge for line in claim.lines), ZERO)
    if decided.charge != charge:
        raise InvalidContent("charge-differs", "The first payer decided another charge than was billed", where="CLP03")
    if imbalance(decided.charge, (one.amount for one in _all(decided)), decided.paid):
        raise InvalidContent("does-not-balance", "The first payer's amounts do not add up", where="loop 2100")
    return PriorDecision(
        policy=submission.policy, paid=decided.paid, payer_claim_number=decided.payer_claim_number,
        decided_on=decided.paid_on, adjustments=decided.adjustments, lines=tuple(_lines(claim, decided.lines)),
    )  # fmt: skip


def _lines(claim: Claim, decided: Sequence[ServiceLine]) -> Iterator[PriorLine]:
    """Each decided line beside the one that was billed: by our number of it, else by procedure, in order."""
    free = dict(enumerate(claim.lines, 1))
    for line in decided:
        place = _place(free, line)
        if place is None:
            raise InvalidContent("line-not-billed", "The first payer decided a line that was not billed", where="SVC")
        billed = free.pop(place)
        adjusted = (one.amount for one in line.adjustments)
        if billed.charge != line.charge or imbalance(line.charge, adjusted, line.paid):
            raise InvalidContent("does-not-balance", "A line of the first payer does not add up", where="loop 2110")
        yield PriorLine(
            place=place, procedure_code=line.procedure_code, modifiers=line.modifiers, units=line.units,
            paid=line.paid, adjustments=line.adjustments,
        )  # fmt: skip
    if decided and free:
        raise InvalidContent("line-not-decided", "The first payer left out a line that was billed", where="SVC")


def _place(free: dict[int, ClaimLine], line: ServiceLine) -> int | None:
    """The billed line that a decided one is about."""
    for place, billed in free.items():
        if line.line_control_number and line.line_control_number == billed.line_control_number:
            return place
    code = line.submitted_code or line.procedure_code
    return next((place for place, billed in free.items() if billed.procedure_code == code), None)


def _claim(known: Facts, submission: Submission, claim: Claim, policy: Coverage, prior: PriorDecision) -> Derived:
    """The same claim under a number of its own, to the next payer."""
    number = control_number("second", known.number)
    lines = tuple(
        msgspec.structs.replace(line, line_control_number=f"{number}{place:02d}")
        for place, line in enumerate(claim.lines, 1)
    )
    billed = msgspec.structs.replace(
        claim, control_number=number, lines=lines, payer=policy.payer, coverage=None, authorization_number=None,
        payer_claim_number=None,
    )  # fmt: skip
    made = msgspec.structs.replace(
        submission, control_number=number, claim=billed, policy=policy, payer=policy.payer, prior=prior,
        other_policies=submission.other_policies[1:], permission=None,
        about=known.claim[0].record_id if known.claim else submission.about,
    )  # fmt: skip
    fields: dict[str, Any] = msgspec.to_builtins(made)
    return Derived(type="FollowUp", native_id=f"claim/{number}", fields=fields, patient=known.patient)
