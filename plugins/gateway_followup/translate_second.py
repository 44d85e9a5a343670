"""The claim to each further payer, once those before decided and did not pass it on by themselves. Pure.

A payer is told every decision before its own to the cent: charge less every adjustment is what was paid, for each line
and for the claim. A decision that does not add up, or that cannot be laid beside the lines billed, is work.
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
from gateway_followup.translate import Facts
from gateway_followup.translate_decided import TURNS, Decision, decisions, numbers
from gateway_followup.translate_wait import task

if TYPE_CHECKING:
    from gateway_followup.config import FollowUpConfig


class Next(Struct, frozen=True, kw_only=True):
    """What follows from the decisions of the payers before."""

    records: tuple[Derived, ...] = ()
    made: dict[str, Submission] = {}
    """Submissions to further payers, by number."""
    again: datetime | None = None


def onward(chain: Sequence[Facts], settings: FollowUpConfig, now: datetime) -> Next:
    """Each further payer's claim; the wait for one that was passed on; or a task that says why there is neither.

    Args:
        chain: what is known of the claim, and of those made of it, in the order their payers pay.
        settings: of the reactor.
        now: the time.
    """
    found = decisions(chain, settings)
    records: list[Derived] = []
    made: dict[str, Submission] = {}
    again = None
    priors: tuple[PriorDecision, ...] = ()
    for turn, standing in sorted(found.items()):
        if turn != len(priors):
            break  # a payer before it has not decided, or not any more
        answered = turn + 1 in found and found[turn + 1].number == standing.number
        if standing.forwarded_to and not answered:
            work, again = _passed(_under(chain, standing), turn, standing, settings, now)
            records += work
            break
        step = _step(chain, turn, standing, made)
        if step is None or not settings.second_payers:
            break
        if isinstance(step, Derived):
            records.append(step)
            break
        priors = (*priors, step)
        if answered:
            continue  # the next payer has it already
        next_ = _claim(chain, turn + 1, priors)
        if next_ is None:
            break
        made[next_.control_number] = next_
        fields: dict[str, Any] = msgspec.to_builtins(next_)
        native = f"claim/{next_.control_number}"
        records.append(Derived(type="FollowUp", native_id=native, fields=fields, patient=chain[0].patient))
    return Next(records=tuple(records), made=made, again=again)


def _under(chain: Sequence[Facts], standing: Decision) -> Facts:
    """What is known under the number that a decision names."""
    return next(known for known in chain if known.number == standing.number)


def _step(
    chain: Sequence[Facts], turn: int, standing: Decision, made: dict[str, Submission]
) -> PriorDecision | Derived | None:
    """A decision as the next payer is told it; a task where it cannot be told; None where nothing is left to bill."""
    known = _under(chain, standing)
    first = chain[0].submission
    billed = made.get(known.number, known.submission)
    if first is None or billed is None or billed.claim is None or turn + 1 >= len(numbers(first)):
        return None
    if _left(standing.payment) <= 0:
        return None  # nothing that a further payer could owe
    policy = (first.policy, *first.other_policies)[turn]
    try:
        return _prior(policy, billed.claim, standing.payment)
    except InvalidContent as error:
        title = f"Send the claim to the {TURNS[turn + 1]} payer by hand, or correct what holds it."
        why = f"{error.what} ({error.where}) [{error.reason}]."
        return task(known, f"{TURNS[turn + 1]}-payer-held", title, why, _left(standing.payment))


def _passed(
    known: Facts, turn: int, standing: Decision, settings: FollowUpConfig, now: datetime
) -> tuple[tuple[Derived, ...], datetime | None]:
    """A claim passed on is not billed again; it is work when the payer that got it says nothing of it."""
    due = standing.at + timedelta(days=settings.passed_on_days)
    if due > now:
        return (), due
    who, next_ = (f"the {one} payer" for one in (*TURNS, "next")[turn : turn + 2])
    title = f"Ask {next_} about a claim that {who} passed on."
    why = f"{who.capitalize()} said that it passed the claim on, and no answer came since."
    return (task(known, "passed-on-unanswered", title, why),), None


def _left(decided: ClaimPayment) -> Decimal:
    """What a payer leaves to the patient."""
    return sum((one.amount for one in _all(decided) if one.group == "PR"), ZERO)


def _all(decided: ClaimPayment) -> Iterator[Adjustment]:
    yield from decided.adjustments
    for line in decided.lines:
        yield from line.adjustments


def _prior(policy: Coverage | None, claim: Claim, decided: ClaimPayment) -> PriorDecision:
    """The decision as the next payer is told it; ``InvalidContent`` when it does not add up or fit."""
    if policy is None:
        raise InvalidContent("no-policy", "The policy that it was decided under is not known", where="loop 2320")
    charge = sum((line.charge for line in claim.lines), ZERO)
    if decided.charge != charge:
        raise InvalidContent("charge-differs", "The payer decided another charge than was billed", where="CLP03")
    if imbalance(decided.charge, (one.amount for one in _all(decided)), decided.paid):
        raise InvalidContent("does-not-balance", "The payer's amounts do not add up", where="loop 2100")
    return PriorDecision(
        policy=policy, paid=decided.paid, payer_claim_number=decided.payer_claim_number,
        decided_on=decided.paid_on, adjustments=decided.adjustments, lines=tuple(_lines(claim, decided.lines)),
    )  # fmt: skip


def _lines(claim: Claim, decided: Sequence[ServiceLine]) -> Iterator[PriorLine]:
    """Each decided line beside the one that was billed: by our number of it, else by procedure, in order."""
    free = dict(enumerate(claim.lines, 1))
    for line in decided:
        place = _place(free, line)
        if place is None:
            raise InvalidContent("line-not-billed", "The payer decided a line that was not billed", where="SVC")
        billed = free.pop(place)
        adjusted = (one.amount for one in line.adjustments)
        if billed.charge != line.charge or imbalance(line.charge, adjusted, line.paid):
            raise InvalidContent("does-not-balance", "A line of the decision does not add up", where="loop 2110")
        yield PriorLine(
            place=place, procedure_code=line.procedure_code, modifiers=line.modifiers, units=line.units,
            paid=line.paid, adjustments=line.adjustments,
        )  # fmt: skip
    if decided and free:
        raise InvalidContent("line-not-decided", "The payer left out a line that was billed", where="SVC")


def _place(free: dict[int, ClaimLine], line: ServiceLine) -> int | None:
    """The billed line that a decided one is about."""
    for place, billed in free.items():
        if line.line_control_number and line.line_control_number == billed.line_control_number:
            return place
    code = line.submitted_code or line.procedure_code
    return next((place for place, billed in free.items() if billed.procedure_code == code), None)


def _claim(chain: Sequence[Facts], turn: int, priors: tuple[PriorDecision, ...]) -> Submission | None:
    """The same claim under a number of its own, to the payer of a turn; None when there is no such payer."""
    known = chain[0]
    first = known.submission
    if first is None or first.claim is None:
        return None
    number, policy = numbers(first)[turn], first.other_policies[turn - 1]
    lines = tuple(
        msgspec.structs.replace(line, line_control_number=f"{number}{place:02d}")
        for place, line in enumerate(first.claim.lines, 1)
    )
    billed = msgspec.structs.replace(
        first.claim, control_number=number, lines=lines, payer=policy.payer, coverage=None, authorization_number=None,
        payer_claim_number=None,
    )  # fmt: skip
    return msgspec.structs.replace(
        first, control_number=number, claim=billed, policy=policy, payer=policy.payer, before=priors[:-1],
        prior=priors[-1], other_policies=first.other_policies[turn:], permission=None, again=chain[turn].again,
        about=known.claim[0].record_id if known.claim else first.about,
    )  # fmt: skip
