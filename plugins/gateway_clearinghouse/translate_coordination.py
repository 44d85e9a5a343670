"""The other payers in a claim: what those before decided, and who pays after. Pure.

Loops 2320, 2330A, 2330B and 2430 of the 837P.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby

from gateway.errors import InvalidContent
from gateway.model.coordination import PriorDecision, PriorLine
from gateway.model.coverage import Coverage
from gateway.model.organization import Payer
from gateway.model.patient import Patient
from gateway.model.remittance import Adjustment
from gateway.model.submission import Submission
from gateway.model.values import ZERO
from gateway.wire.x12_write import Body, day, number, plain
from gateway_clearinghouse.translate_parties import (
    Parties,
    address,
    filing,
    is_subscriber,
    member_id,
    need,
    patient,
    payer,
    subscriber,
)

_RELATION = {"self": "18", "spouse": "01", "child": "19", "other": "G8"}
_TURNS = "PSTABCDEFGH"
"""The first to the eleventh payer (SBR01): all that the guide knows."""
_TRIPLETS = 6
"""Reasons in one CAS segment."""


def turn(submission: Submission) -> str:
    """SBR01: whose turn it is, after so many payers have decided."""
    return _TURNS[len(_decided(submission))]


def other_payers(submission: Submission, parties: Parties) -> Iterator[Body]:
    """Loops 2320, 2330A and 2330B of each payer that decided; nothing in a claim to the first.

    Raises:
        InvalidContent: something the guide requires is missing, or a decision does not add up to the charge.
    """
    for prior, decider, place in zip(_decided(submission), _deciders(submission, parties), _TURNS, strict=False):
        yield from _other_payer(submission, prior, decider, place)


def _other_payer(submission: Submission, prior: PriorDecision, decider: Payer, place: str) -> Iterator[Body]:
    _check(submission, prior)
    yield _insurance(prior.policy, decider, place)
    yield from _adjusted(prior.adjustments)
    yield ("AMT", "D", number(prior.paid))
    if not prior.lines and (left := _left(prior.adjustments)):
        yield ("AMT", "EAF", number(left))
    yield from _holder(submission, prior.policy)
    yield payer(decider)
    if not prior.lines:
        yield _decided_on(prior)
    if prior.payer_claim_number:
        yield ("REF", "F8", prior.payer_claim_number)


def later_payers(submission: Submission, parties: Parties) -> Iterator[Body]:
    """Loops 2320, 2330A and 2330B of each payer that pays after this one and has decided nothing.

    One that the guide's required elements cannot be told of is left out and keeps its turn: it does not hold back what
    another payer owes. So is one with the id of a payer that decided, because loop 2430 knows those by nothing else.
    """
    decided = {one.payer_id for one in parties.prior_payers}
    turns = _TURNS[len(_decided(submission)) + 1 :]
    for policy, one, place in zip(submission.other_policies, parties.later_payers, turns, strict=False):
        named = one is not None and plain(one.name, 60) and one.payer_id and one.payer_id not in decided
        held = policy.member_id and (is_subscriber(policy) or plain(policy.subscriber_name, 60))
        if one is not None and named and held:
            yield _insurance(policy, one, place)
            yield from _holder(submission, policy)
            yield payer(one)


def _insurance(policy: Coverage, one: Payer, place: str) -> Body:
    group = plain(policy.group_number, 50)
    plan = "" if group else plain(policy.plan_name, 60)
    relation = _RELATION[policy.relationship or "self"]
    return ("SBR", place, relation, group, plan, "", "", "", "", filing(policy, one))


def _holder(submission: Submission, policy: Coverage) -> Iterator[Body]:
    """That benefits are assigned and may be told about, and who holds the policy (loop 2330A)."""
    yield ("OI", "", "", "Y", "", "", "Y")
    subject = submission.subject or Patient()
    if is_subscriber(policy):
        yield patient(subject, "IL", member_id(policy))
        yield from address(subject.addresses[0] if subject.addresses else None, "loop 2330A")
    else:
        yield subscriber(policy)


def decided_line(submission: Submission, parties: Parties, place: int) -> Iterator[Body]:
    """Loop 2430 of one line, for each payer that decided it."""
    for prior, decider in zip(_decided(submission), _deciders(submission, parties), strict=False):
        for line in prior.lines:
            if line.place == place:
                yield from _decided_line(prior, line, decider)


def _decided_line(prior: PriorDecision, line: PriorLine, decider: Payer) -> Iterator[Body]:
    procedure = ("HC", line.procedure_code, *line.modifiers[:4])
    units = number(line.units if line.units is not None else Decimal(0))
    id = need(decider.payer_id, "SVD01", "the id of the payer that decided")
    yield ("SVD", id, number(line.paid), procedure, "", units)
    yield from _adjusted(line.adjustments)
    yield _decided_on(prior)
    if left := _left(line.adjustments):
        yield ("AMT", "EAF", number(left))


def _decided(submission: Submission) -> tuple[PriorDecision, ...]:
    """Every decision before this payer's own, in the order they were made."""
    return () if submission.prior is None else (*submission.before, submission.prior)


def _check(submission: Submission, prior: PriorDecision) -> None:
    """The rule of the guide: every line and the claim come out at what was paid."""
    one = submission.claim
    charge = sum((line.charge for line in one.lines), ZERO) if one is not None else ZERO
    adjusted = _sum(prior.adjustments) + sum((_sum(line.adjustments) for line in prior.lines), ZERO)
    lines = {line.place: line for line in prior.lines}
    whole = one is not None and (not lines or lines.keys() == set(range(1, len(one.lines) + 1)))
    even = whole and all(
        each.charge - _sum(lines[place].adjustments) == lines[place].paid
        for place, each in enumerate(one.lines if one and lines else (), 1)
    )
    if charge - adjusted != prior.paid or not even:
        raise InvalidContent(
            "unbalanced-claim", "A payer's decision does not add up to the charge", where="loop 2320",
            fix="Compare the remittance with the claim.",
        )  # fmt: skip


def _deciders(submission: Submission, parties: Parties) -> tuple[Payer, ...]:
    """Who decided, in the same order; each has an id of its own, because loop 2430 knows them by nothing else."""
    count = len(_decided(submission))
    if len(parties.prior_payers) != count:
        raise InvalidContent("incomplete-submission", "The document needs every payer before", where="loop 2330B")
    if len({one.payer_id for one in parties.prior_payers}) != count:
        raise InvalidContent(
            "ambiguous-payer", "Two payers that decided have the same id", where="loop 2330B",
            fix="Give each plan the payer id of its own claims office.",
        )  # fmt: skip
    return parties.prior_payers


def _decided_on(prior: PriorDecision) -> Body:
    told = need(day(prior.decided_on) if prior.decided_on else "", "DTP*573", "the day of a payer's decision")
    return ("DTP", "573", "D8", told)


def _adjusted(adjustments: Iterable[Adjustment]) -> Iterator[Body]:
    """CAS: one segment for each group, of up to six reasons."""
    for group, found in groupby(sorted(adjustments, key=lambda one: one.group), key=lambda one: one.group):
        reasons = [one for one in found if one.amount]
        for start in range(0, len(reasons), _TRIPLETS):
            elements: list[str] = []
            for one in reasons[start : start + _TRIPLETS]:
                quantity = number(one.quantity) if one.quantity is not None else ""
                elements += [one.reason, number(one.amount), quantity]
            yield ("CAS", group, *elements)


def _left(adjustments: Iterable[Adjustment]) -> Decimal:
    """What is left to the patient."""
    return sum((one.amount for one in adjustments if one.group == "PR"), ZERO)


def _sum(adjustments: Iterable[Adjustment]) -> Decimal:
    return sum((one.amount for one in adjustments), ZERO)
