"""The members of one claim's group, and what they say of it in the order it was said. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from gateway.model.claim import Claim, ClaimDecision, ClaimStatus, ClaimStatusReport
from gateway.model.claim_progress import ClaimStep
from gateway.model.exchange import Derived, Snapshot
from gateway.model.identity import RecordId
from gateway.model.remittance import ClaimPayment
from gateway.model.submission import Submission

T = TypeVar("T", bound=Struct)
REVERSAL = "reversal"
_SILENT = frozenset({"accepted-with-errors", "partly-accepted", "unavailable", "other"})
"""Outcomes of a report that change nothing about where the claim stands."""
_ANSWERS = frozenset({"rejected", "not-found", "finalized", "paid", "denied", "reversed"})
_NEXT = {
    "rejected": "Correct what the statuses name and send the claim again: it did not enter adjudication.",
    "more-information": "Send the payer what it asks for before its time runs out.",
    "not-found": "The payer has no such claim: check that it was sent to the right payer, and send it.",
}


class Step(Struct, frozen=True, kw_only=True):
    """One thing that was sent or said."""

    at: datetime
    document: str
    outcome: str
    record: RecordId
    statuses: tuple[ClaimStatus, ...] = ()
    paid: Decimal | None = None


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of one claim; each list oldest first."""

    number: str
    sent: tuple[tuple[Snapshot, Claim], ...]
    """Copies of what travelled."""
    drafts: tuple[tuple[Snapshot, Claim], ...]
    submissions: tuple[tuple[Snapshot, Submission], ...]
    reports: tuple[tuple[Snapshot, ClaimStatusReport], ...]
    payments: tuple[tuple[Snapshot, ClaimPayment], ...]
    again: datetime | None = None
    """After which word about it somebody had it sent once more."""
    made: Submission | None = None
    """The submission to a further payer, which is derived with it and so no record to be read."""

    @property
    def sent_at(self) -> datetime | None:
        """When it was sent first."""
        return moment(self.sent[0][0]) if self.sent else None

    @property
    def submission(self) -> Submission | None:
        """What it was made of, where it was made here."""
        return self.submissions[-1][1] if self.submissions else self.made

    @property
    def claim(self) -> tuple[Snapshot, Claim] | None:
        """The claim as it was sent, else as it was drafted."""
        return (self.sent or self.drafts or (None,))[-1]

    @property
    def patient(self) -> RecordId | None:
        """The clinic's own patient, else the payer's."""
        known = [self.made.patient] if self.made else []
        known += [one.patient for one, _ in (*self.submissions, *self.drafts, *self.sent, *self.payments)]
        return next((one for one in known if one is not None), None)

    @property
    def payer_claim_number(self) -> str | None:
        """The payer's number of the claim, as it was said last."""
        told = [one.payer_claim_number for _, one in self.reports]
        told += [one.payer_claim_number for _, one in self.payments]
        return next((one for one in reversed(told) if one), None)

    @property
    def charge(self) -> Decimal | None:
        """What was charged."""
        return self.claim[1].charge if self.claim else None


def control_number(kind: str, *parts: object) -> str:
    """Our number of a document: 17 characters that say nothing and are the same each time."""
    text = "/".join((kind, *map(str, parts)))
    return kind[0].upper() + hashlib.sha256(text.encode()).hexdigest()[:16].upper()


def moment(one: Snapshot) -> datetime:
    """When the message behind a record arrived."""
    return datetime.fromisoformat(one.observed_at)


def facts(number: str, members: Sequence[Snapshot]) -> Facts:
    """Sort what there is of one claim's number among the members of its group and of those joined with it."""
    there = sorted((one for one in members if not one.removed and number_of(one) == number), key=_order)
    claims = _of(there, Claim)
    return Facts(
        number=number, sent=tuple(one for one in claims if one[1].transmission is not None),
        drafts=tuple(one for one in claims if one[1].transmission is None), submissions=_of(there, Submission),
        reports=_of(there, ClaimStatusReport), payments=_of(there, ClaimPayment),
        again=max((one.after for _, one in _of(there, ClaimDecision)), default=None),
    )  # fmt: skip


def number_of(one: Snapshot) -> str | None:
    """The number of the claim that a record is about, where it names one."""
    match one.record:
        case Claim() | Submission(kind="claim") | ClaimDecision() as named:
            return named.control_number
        case ClaimPayment(patient_control_number=number):
            return number
        case ClaimStatusReport(report="277" | "277CA") as report:
            return report.control_number or (report.about.batch if report.about else None)
    return None


def _order(one: Snapshot) -> tuple[str, int, int, str]:
    """By arrival; within one remittance by place, a reversal before what it makes room for."""
    record = one.record
    ordinal = record.ordinal or 0 if isinstance(record, ClaimPayment) else 0
    later = int(isinstance(record, ClaimPayment) and record.status != REVERSAL)
    return one.observed_at, ordinal, later, str(one.record_id)


def _of(members: Sequence[Snapshot], kind: type[T]) -> tuple[tuple[Snapshot, T], ...]:
    return tuple((one, one.record) for one in members if isinstance(one.record, kind))


def steps(known: Facts) -> list[Step]:
    """Everything sent or said, oldest first."""
    found = [
        Step(at=moment(one), document="837", outcome="sent", record=one.record_id)
        for one, _ in known.sent
    ]  # fmt: skip
    found += [
        Step(
            at=moment(one), document=report.report, outcome=report.outcome, record=one.record_id,
            statuses=report.statuses or report.lines, paid=report.paid,
        )
        for one, report in known.reports
        if report.report in ("277", "277CA")
    ]  # fmt: skip
    found += [
        Step(at=moment(one), document="835", outcome=_decided(paid), record=one.record_id, paid=paid.paid)
        for one, paid in known.payments
    ]
    return sorted(found, key=lambda one: one.at)  # stable: places within a remittance stay


def _decided(paid: ClaimPayment) -> str:
    if paid.status == REVERSAL:
        return "reversed"
    return "denied" if paid.status == "denied" else "paid"


def answered_at(history: Sequence[Step | ClaimStep]) -> datetime | None:
    """When the payer said something that ends the wait, unless it took that back."""
    answer = None
    for one in history:
        if one.outcome in _ANSWERS:
            answer = answer or one.at
        elif one.outcome not in _SILENT and one.document == "837":
            answer = None  # sent again, so that the wait begins anew
    return answer


def progress(known: Facts, history: Sequence[Step], asked: int, forwarded_to: str | None) -> Derived | None:
    """Where the claim stands; None when nothing is known of it but that it may be sent."""
    telling = [one for one in history if one.outcome not in _SILENT]
    if not telling:
        return None
    state = telling[-1].outcome
    fields: dict[str, Any] = {
        "control_number": known.number, "state": state, "history": [msgspec.to_builtins(one) for one in history],
        "payer_claim_number": known.payer_claim_number, "sent_at": known.sent_at, "charge": known.charge,
        "forwarded_to": forwarded_to, "next_step": _NEXT.get(state), "patient": known.patient, "payer": _payer(known),
        "asked": asked, "claim": known.claim[0].record_id if known.claim else None,
        "made_here": True if known.submission else None,
    }  # fmt: skip
    kept = {name: value for name, value in fields.items() if value is not None}
    return Derived(type="ClaimProgress", native_id=known.number, fields=kept, patient=known.patient)


def _payer(known: Facts) -> RecordId | None:
    submission = known.submission
    return submission.payer if submission else known.claim[1].payer if known.claim else None
