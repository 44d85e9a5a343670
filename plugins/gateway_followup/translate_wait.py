"""What a silent payer is asked, and what becomes work for a person. Pure: the time is handed in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from gateway.model.claim import Claim, ClaimStatusReport
from gateway.model.coverage import Coverage
from gateway.model.exchange import Derived, Snapshot
from gateway.model.identity import RecordId
from gateway.model.values import ZERO
from gateway_followup.translate import Facts, Step, answered_at, control_number, moment

if TYPE_CHECKING:
    from gateway_followup.config import FollowUpConfig, InquiryConfig


class Waiting(Struct, frozen=True, kw_only=True):
    """What follows from waiting."""

    records: tuple[Derived, ...] = ()
    asked: int = 0
    again: datetime | None = None
    """When more follows, if nothing comes before."""


def wait(known: Facts, history: Sequence[Step], settings: FollowUpConfig, now: datetime) -> Waiting:
    """Questions about a claim without an answer, and tasks for what should have come."""
    sent = known.sent_at
    if sent is None:
        return Waiting()
    answer = answered_at(history)
    until = min(now, answer) if answer else now
    due = [] if answer else [*_unaccepted(known, history, settings)]
    submission = known.submission
    policy = submission.policy if submission else None
    asks, times = policy is not None, times_to_ask(policy, settings, sent)
    asked = [one for one in times if one <= until] if asks else []
    records = [_question(known, number) for number in range(1, len(asked) + 1)]
    if not answer and times:
        asking = asks or settings.copies_asked
        last = times[-1] + timedelta(days=settings.ask_again_days) if asking else times[0]
        why = "The questions brought no answer." if asking else "It was not made here, so no question was sent."
        due.append((last, task(known, "claim-unanswered", "Ask the payer what became of a claim.", why)))
    records += [one for at, one in due if at <= now]
    later = [at for at, _ in due if at > now] + ([] if answer else [at for at in times if asks and at > now])
    return Waiting(records=tuple(records), asked=len(asked), again=min(later, default=None))


def _unaccepted(known: Facts, history: Sequence[Step], settings: FollowUpConfig) -> Iterator[tuple[datetime, Derived]]:
    """A claim that nobody has said anything of."""
    sent = known.sent_at
    if settings.accepted_days and sent is not None and all(one.document == "837" for one in history):
        title = "Find out whether the payer has a claim: no 277CA came for it."
        why = f"{settings.accepted_days} days passed since it was sent."
        yield sent + timedelta(days=settings.accepted_days), task(known, "claim-unacknowledged", title, why)


def times_to_ask(policy: Coverage | None, settings: InquiryConfig, sent: datetime) -> list[datetime]:
    """When the payer of a claim is to be asked, if nothing comes before."""
    days = settings.ask_days_by_filing_indicator.get((policy and policy.filing_indicator) or "", settings.ask_days)
    if not days:
        return []
    first = sent + timedelta(days=days)
    return [first + timedelta(days=settings.ask_again_days * turn) for turn in range(settings.asks)]


def _question(known: Facts, turn: int) -> Derived:
    """The 276 of one turn."""
    submission = known.submission
    if submission is None or submission.claim is None or known.claim is None:
        raise ValueError("a question needs a submission")  # wait saw to it
    number = control_number("question", known.number, turn)
    claim = msgspec.structs.replace(submission.claim, payer_claim_number=known.payer_claim_number)
    fields: dict[str, Any] = {
        "kind": "claim-status", "control_number": number, "patient": submission.patient,
        "about": known.claim[0].record_id, "payer": submission.payer, "location": submission.location,
        "subject": _plain(submission.subject), "policy": _plain(submission.policy), "claim": _plain(claim),
    }  # fmt: skip
    kept = {name: value for name, value in fields.items() if value is not None}
    return Derived(type="FollowUp", native_id=f"question/{known.number}/{turn}", fields=kept, patient=known.patient)


def _plain(value: Struct | None) -> Any:
    return None if value is None else msgspec.to_builtins(value)


def task(known: Facts, kind: str, title: str, why: str, money: Decimal | None = None) -> Derived:
    """Work about one claim; worth its charge where no other amount is named."""
    fields = _fields(kind, title, why, known.charge if money is None else money)
    if known.claim is not None:
        fields["about"] = known.claim[0].record_id
    if known.patient is not None:
        fields["patient"] = known.patient
    return Derived(type="Task", native_id=f"{kind}/{known.number}", fields=fields, patient=known.patient)


def _fields(kind: str, title: str, why: str, money: Decimal | None) -> dict[str, Any]:
    """A biller's open task."""
    fields: dict[str, Any] = {"title": title, "state": "open", "kind": kind, "reason": why, "role": "biller"}
    return fields if money is None else fields | {"money": money}


# --- what travelled together ------------------------------------------------------------------------------------------


def transmitted(key: str, members: Sequence[Snapshot], settings: FollowUpConfig, now: datetime) -> Waiting:
    """A group or interchange of claims and the acknowledgements (999, 997, TA1) that name it."""
    there = [one for one in members if not one.removed]
    claims = [(one, one.record) for one in there if isinstance(one.record, Claim)]
    reports = [(one, one.record) for one in there if isinstance(one.record, ClaimStatusReport)]
    if not claims:
        return Waiting()
    records = list(_refused(key, claims, reports))
    last = max((moment(one) for one, _ in reports), default=None)
    silent = [(one, claim) for one, claim in claims if last is None or moment(one) > last]
    if not key.startswith("group:") or not silent or not settings.acknowledged_hours:
        return Waiting(records=tuple(records))
    due = min(moment(one) for one, _ in silent) + timedelta(hours=settings.acknowledged_hours)
    if due > now:
        return Waiting(records=tuple(records), again=due)
    title = "Find out whether the clearinghouse has what was sent: no 999 came for it."
    why = f"{len(silent)} claims were sent more than {settings.acknowledged_hours:g} hours ago."
    records.append(_batch("acknowledgement-missing", key, title, why, silent))
    return Waiting(records=tuple(records))


def _refused(
    key: str, claims: Sequence[tuple[Snapshot, Claim]], reports: Sequence[tuple[Snapshot, ClaimStatusReport]]
) -> Iterator[Derived]:
    """One task for the claims that the newest acknowledgement refuses: all of them, or those of single transactions."""
    newest: dict[str, tuple[datetime, ClaimStatusReport]] = {}
    for one, report in sorted(reports, key=lambda each: moment(each[0])):
        transaction = report.about.transaction if report.about else None
        newest[transaction or ""] = moment(one), report
    lost: list[tuple[Snapshot, Claim]] = []
    for one, claim in claims:
        transaction = claim.transmission.transaction if claim.transmission else None
        found = newest.get(transaction or "") or newest.get("")
        if found and found[0] >= moment(one) and found[1].outcome == "rejected":
            lost.append((one, claim))
    if lost:
        title = "Correct what was refused and send it again: none of it reached a payer."
        why = f"{len(lost)} claims were refused as documents, before anybody read them."
        yield _batch("transmission-rejected", key, title, why, lost)


def _batch(kind: str, key: str, title: str, why: str, claims: Sequence[tuple[Snapshot, Claim]]) -> Derived:
    first: RecordId = min(one.record_id for one, _ in claims)
    money = sum((claim.charge or ZERO for _, claim in claims), ZERO)
    return Derived(type="Task", native_id=f"{kind}/{key}", fields=_fields(kind, title, why, money) | {"about": first})
