"""Claim payments to denials and tasks: one group for each claim number, derived anew whenever one of them changes.

Payments of a claim are read in the order of their remittances, one that came by two channels once. A reversal (CLP02
22) takes back what the payer said before it; what stands is judged. A line that is allowed later under the same number
closes its denial. What somebody wrote off stays written off, without a task, until the payer refuses it anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta
from typing import Any, cast

from pydantic import BaseModel

from gateway.adjudication import after_another_payer
from gateway.hookspecs import API_VERSION
from gateway.model.denial import DenialDecision
from gateway.model.exchange import Derivation, Derived, ReactorInfo, Snapshot
from gateway.model.identity import RecordId
from gateway.model.remittance import ClaimPayment, counted_once
from gateway_denials.config import DenialsConfig
from gateway_denials.translate import RULE, Judged, judge, shared

_REVERSAL = "reversal"
_WHOLE = "claim"


class Denials:
    """Derives a Denial and a Task for every claim or line that was refused."""

    info = ReactorInfo(
        name="denials",
        version="3",
        api=API_VERSION,
        summary="Refused claims and lines: why, how much, until when, what next",
        reads=frozenset({"ClaimPayment", "Claim", "DenialDecision"}),
        writes=frozenset({"Denial", "Task"}),
    )
    config: type[BaseModel] = DenialsConfig

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """Payments, claims and decisions by the claim's number; a claim without one is a group of its own."""
        del config
        record = snapshot.record
        if isinstance(record, ClaimPayment):
            return (f"claim:{record.patient_control_number or snapshot.record_id}",)
        if isinstance(record, DenialDecision):
            return (f"claim:{record.claim_number}",)
        number = getattr(record, "control_number", None)
        return (f"claim:{number}",) if number else ()

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """What of the claim stands refused."""
        del now  # the last day to act follows from the remittance
        settings = cast("DenialsConfig", config)
        payments = [one for one in members if isinstance(one.record, ClaimPayment) and not one.removed]
        payments = counted_once(sorted(payments, key=_when), lambda one: cast("ClaimPayment", one.record))
        claim = next((one for one in members if one.type == "Claim" and not one.removed), None)
        given_up = _given_up(members)
        records: list[Derived] = []
        for snapshot, judged in _standing(payments, settings):
            records += _derived(key, snapshot, judged, claim, settings, given_up)
        return Derivation(records=tuple(records))


def _given_up(members: Sequence[Snapshot]) -> frozenset[tuple[RecordId, str]]:
    """What somebody wrote off: the payment that refused, and the place of the claim that it refused."""
    decided = [one.record for one in members if isinstance(one.record, DenialDecision) and not one.removed]
    return frozenset((one.claim_payment, one.place) for one in decided if one.verdict == "written-off")


def _when(one: Snapshot) -> tuple[date, str, int, str]:
    """Order of what payers said: day of the remittance, arrival, place in the remittance, id."""
    record = cast("ClaimPayment", one.record)
    reversal_first = 0 if record.status == _REVERSAL else 1
    return _said_on(one), one.observed_at, record.ordinal or 0, f"{reversal_first}{one.record_id}"


def _said_on(one: Snapshot) -> date:
    """The day that a remittance bears, from which payers count; that of its arrival where it bears none."""
    return cast("ClaimPayment", one.record).paid_on or date.fromisoformat(one.observed_at[:10])


def _standing(payments: Sequence[Snapshot], settings: DenialsConfig) -> Iterator[tuple[Snapshot, Judged]]:
    """Refusals that nothing later took back or paid."""
    standing: dict[str, tuple[Snapshot, Judged]] = {}
    for one in payments:
        record = cast("ClaimPayment", one.record)
        if record.status == _REVERSAL:
            standing.clear()
            continue
        judged = {each.place: (one, each) for each in judge(record, settings.order)}
        for place in _allowed_places(record):
            standing.pop(place, None)
        standing.update(judged)
    yield from standing.values()


def _allowed_places(record: ClaimPayment) -> Iterator[str]:
    """Places of a claim that this payment allows: by paying, or by leaving a share to the patient (a deductible)."""
    allowed = [line.paid > 0 or shared(line.adjustments) for line in record.lines]
    if record.paid > 0 or shared(record.adjustments) or any(allowed):
        yield ""
    for number, line in enumerate(record.lines, 1):
        if allowed[number - 1]:
            yield line.line_control_number or f"{line.procedure_code}/{number}"


def _derived(
    key: str, payment: Snapshot, judged: Judged, claim: Snapshot | None, settings: DenialsConfig,
    given_up: AbstractSet[tuple[RecordId, str]],
) -> Iterator[Derived]:  # fmt: skip
    record = cast("ClaimPayment", payment.record)
    place = judged.place or _WHOLE
    native = f"{key.removeprefix('claim:')}/{place}"
    denied_on = _said_on(payment)
    days = settings.appeal_days_by_filing_indicator.get(record.filing_indicator or "", settings.appeal_days)
    act_by = denied_on + timedelta(days=days)
    state = "written-off" if (payment.record_id, place) in given_up else "open"
    fields: dict[str, Any] = {
        "category": judged.category, "state": state, "claim_payment": payment.record_id, "partial": judged.partial,
        "group": judged.group, "reason": judged.reason, "remarks": list(judged.remarks), "at_risk": judged.at_risk,
        "denied_on": denied_on, "act_by": act_by, "next_step": judged.step, "rule": RULE,
    }  # fmt: skip
    if after_another_payer(record):
        fields["after_another_payer"] = True
    if claim is not None:
        fields["claim"] = claim.record_id
    if payment.patient is not None:
        fields["patient"] = payment.patient
    if judged.line is not None:
        fields["procedure_code"] = judged.line.procedure_code
        if judged.line.line_control_number:
            fields["line_control_number"] = judged.line.line_control_number
    yield Derived(type="Denial", native_id=native, fields=fields, patient=payment.patient)
    if state == "open" and judged.at_risk >= settings.least:
        yield _task(native, payment.patient, judged, payment.record_id, act_by, denied_on)


def _task(
    native: str, patient: RecordId | None, judged: Judged, about: RecordId, act_by: date, denied_on: date
) -> Derived:
    what = f"procedure {judged.line.procedure_code}" if judged.line is not None else "the whole claim"
    fields: dict[str, Any] = {
        "title": judged.step, "state": "open", "kind": f"denial-{judged.category}", "role": "biller",
        "reason": f"The payer refused {what} on {denied_on}: {judged.category.replace('-', ' ')}"
        f" ({judged.group or '?'}-{judged.reason or '?'}).",
        "money": judged.at_risk, "due_on": act_by, "about": about,
    }  # fmt: skip
    if patient is not None:
        fields["patient"] = patient
    return Derived(type="Task", native_id=f"denial/{native}", fields=fields, patient=patient)
