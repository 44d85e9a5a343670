"""One side against the other, to the cent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from gateway.mapping import shipped
from gateway.model.bank import BankTransaction
from gateway.model.claim import Claim
from gateway.model.exchange import Snapshot
from gateway.model.identity import RecordId
from gateway.model.remittance import Adjustment, ClaimPayment, Remittance, counted_once
from gateway.model.values import ZERO

State = Literal["open", "matched", "short", "over"]


class Match(Struct, frozen=True, kw_only=True):
    """How far two sides agree."""

    state: State
    expected: Decimal
    received: Decimal
    about: RecordId
    number: str = ""
    """The number as sent."""
    since: date | None = None
    patient: RecordId | None = None
    fields: dict[str, Any] = {}


def deposit_match(members: Sequence[Snapshot]) -> Match:
    """Remittances of one trace number against the bank's lines of the same.

    The same remittance that came by two channels counts once: same trace, payer and amount.
    """
    remittances = [(one.record_id, one.record) for one in members if isinstance(one.record, Remittance)]
    lines = [(one.record_id, one.record) for one in members if isinstance(one.record, BankTransaction)]
    distinct = {(one.payer_id, one.amount): one for _, one in reversed(remittances)}
    expected = sum((one.amount for one in distinct.values()), ZERO)
    received = sum((one.amount for _, one in lines), ZERO)
    days = [one.payment_date for _, one in remittances if one.payment_date] + [one.booked_on for _, one in lines]
    first = remittances[0][1] if remittances else None
    fields: dict[str, Any] = {
        "remittances": [id for id, _ in remittances], "bank_lines": [id for id, _ in lines],
    }  # fmt: skip
    if first is not None:
        fields |= {"payer": first.payer, "payer_name": first.payer_name}
    if len(remittances) > len(distinct):
        fields["repeats"] = len(remittances) - len(distinct)
    nothing_moves = expected == 0 and bool(remittances)
    open_ = (not remittances or not lines) and not (nothing_moves and not lines)
    return Match(
        state="open" if open_ else _compared(expected, received), expected=expected, received=received,
        about=members[0].record_id, number=first.trace_number if first else (lines[0][1].trace_number or ""),
        since=min(days, default=None), fields={name: value for name, value in fields.items() if value is not None},
    )  # fmt: skip


def claim_match(members: Sequence[Snapshot]) -> Match:
    """A claim against what its payments account for: paid, left to the patient, adjusted otherwise.

    Reversals carry negative amounts, so a payment, its reversal and its correction add up to the correction. Each
    payer accounts for the whole charge, a later one with what the earlier ones did (CARC 23): so the last payer's word
    is laid against the charge, and says what the patient owes, while all that was paid adds up. A remittance that came
    by two channels counts once.
    """
    claims = [one for one in members if isinstance(one.record, Claim)]
    told = [(one, one.record) for one in members if isinstance(one.record, ClaimPayment)]
    payments = counted_once(told, lambda each: each[1])
    records = [record for _, record in payments]
    claim = claims[-1].record if claims else None
    charge = claim.charge if isinstance(claim, Claim) else None
    last = _last_word(records)
    paid = sum((one.paid for one in records), ZERO)
    left = sum((_of_group(one, "PR") for one in last), ZERO)
    expected = charge if charge is not None else sum((one.charge for one in last), ZERO)
    received = sum((one.paid + _adjusted(one) for one in last), ZERO)
    days = [one.starts_on for one in records if one.starts_on]
    if isinstance(claim, Claim):
        days += [line.service_date for line in claim.lines if line.service_date]
    answers = [one for one, _ in payments]
    patient = next((one.patient for one in (*claims, *answers) if one.patient), None)
    fields: dict[str, Any] = {
        "paid": paid, "patient_responsibility": left, "payments": [one.record_id for one in answers],
    }  # fmt: skip
    if claims:
        fields["claim"] = claims[-1].record_id
    if patient is not None:
        fields["patient"] = patient
    return Match(
        state="open" if not payments or (not claims and not expected) else _compared(expected, received),
        expected=expected, received=received, about=(claims or answers)[-1].record_id, since=min(days, default=None),
        patient=patient, fields=fields,
    )  # fmt: skip


def _last_word(payments: Sequence[ClaimPayment]) -> list[ClaimPayment]:
    """What the last payer said that has not taken it all back."""
    by_turn: dict[int, list[ClaimPayment]] = {}
    numbers: dict[str | None, int] = {}
    for one in payments:
        turn = numbers.get(one.payer_claim_number) if one.status == "reversal" and one.payer_claim_number else None
        if turn is None:
            turn = _turn(one)
        numbers[one.payer_claim_number] = turn
        by_turn.setdefault(turn, []).append(one)
    standing = [turn for turn, said in by_turn.items() if sum((one.charge for one in said), ZERO)]
    return by_turn[max(standing or by_turn)] if by_turn else []


def _turn(one: ClaimPayment) -> int:
    """Which payer it is by CLP02, or by reasons that only a payer after another one gives."""
    for turn, word in enumerate(("processed-secondary", "processed-tertiary"), 1):
        if one.status.startswith(word):
            return turn
    table = shipped("denial_other").codes
    return int(any(table.get(each.reason.upper()) == "prior-payer" for each in _parts(one)))


def _parts(one: ClaimPayment) -> Sequence[Adjustment]:
    return (*one.adjustments, *(each for line in one.lines for each in line.adjustments))


def _compared(expected: Decimal, received: Decimal) -> State:
    return "matched" if received == expected else "short" if received < expected else "over"


def _adjusted(one: ClaimPayment) -> Decimal:
    return sum((each.amount for each in _parts(one)), ZERO)


def _of_group(one: ClaimPayment, group: str) -> Decimal:
    return sum((each.amount for each in _parts(one) if each.group == group), ZERO)
