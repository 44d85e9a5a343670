"""Groups of records to journals: by remittance, by day and clinic, by deposit, by denial.

The name of a journal is a digest of what it says, so a journal never changes: when its content does, it is gone and
another one is there, and whoever booked it books its reversal. A closed day is opened again in no other way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import msgspec
from pydantic import BaseModel

from gateway.hookspecs import API_VERSION
from gateway.model.bank import BankTransaction, trace_key
from gateway.model.charge_item import ChargeItem
from gateway.model.denial import Denial
from gateway.model.exchange import Derivation, Derived, ReactorInfo, Snapshot
from gateway.model.identity import RecordId
from gateway.model.invoice import PatientPayment
from gateway.model.remittance import ClaimPayment, Remittance
from gateway.model.settlement import Settlement
from gateway.model.values import ZERO
from gateway.model.visit import Visit
from gateway_accounting.config import AccountingConfig
from gateway_accounting.translate import Book, Hold, charges_by_day, day_lines, hold, owed_after, remittance_lines

T = TypeVar("T", bound=msgspec.Struct)
PATIENCE = timedelta(days=1)
"""How long after its day a remittance whose claims are not all there waits before it is work for a person."""
_TITLES = {
    "unbalanced": "Find why a remittance does not add up; it is not in the books before it is released.",
    "incomplete": "Find the claims that a remittance announces and that did not come; it is not in the books.",
    "repeated": "See whether a remittance came twice under one trace number; the second is not in the books.",
}
_encode = msgspec.json.Encoder(order="deterministic").encode


class Accounting:
    """Derives a LedgerEntry for everything that moves money, and a Task for a remittance that is held."""

    info = ReactorInfo(
        name="accounting",
        version="3",
        api=API_VERSION,
        summary="Balanced journals of remittances, payments, charges, write-offs and deposits",
        reads=frozenset(
            {"Remittance", "ClaimPayment", "PatientPayment", "Visit", "ChargeItem", "BankTransaction", "Denial"}
            | {"Settlement"}
        ),
        writes=frozenset({"LedgerEntry", "Task"}),
    )
    config: type[BaseModel] = AccountingConfig

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """The journals that a record may be in."""
        settings = cast("AccountingConfig", config)
        match snapshot.record:
            case Remittance(trace_number=number):
                return (f"remittance:{snapshot.record_id}", *_traced(number, settings))
            case ClaimPayment(remittance=str(id)):
                return (f"remittance:{id}",)
            case Settlement(kind="deposit", remittances=ids):
                return tuple(f"remittance:{id}" for id in ids)
            case BankTransaction(trace_number=str(number)):
                return tuple(_traced(number, settings))
            case PatientPayment(received_at=datetime() as at, location=location):
                return (f"day:{at.astimezone(ZoneInfo(settings.zone)).date()}:{location or ''}",)
            case Visit(location=location) | ChargeItem(location=location) as record:
                if settings.charge_sources and snapshot.source not in settings.charge_sources:
                    return ()
                return tuple(f"day:{day}:{location or ''}" for day in charges_by_day(record))
            case Denial():
                return (f"denial:{snapshot.record_id}",)
        return ()

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """The journals of one group, once their day is closed."""
        settings = cast("AccountingConfig", config)
        there = [one for one in members if not one.removed]
        kind, _, name = key.partition(":")
        match kind:
            case "remittance":
                return _remittance(name, there, settings, now)
            case "day":
                return _day(key, there, settings, now)
            case "trace":
                return _deposits(there, settings, now)
        return _write_off(there, settings, now)


def _traced(number: str, settings: AccountingConfig) -> Iterator[str]:
    if settings.deposits:
        yield f"trace:{trace_key(number)}"


def _of(members: Sequence[Snapshot], kind: type[T]) -> list[tuple[RecordId, T]]:
    found = [(one.record_id, one.record) for one in members if isinstance(one.record, kind)]
    return sorted(found, key=lambda one: one[0])


def _closes(day: date, settings: AccountingConfig) -> datetime:
    end = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(settings.zone))
    return end + timedelta(hours=settings.close_after_hours)


def _remittance(id: str, members: Sequence[Snapshot], settings: AccountingConfig, now: datetime) -> Derivation:
    snapshot = next((one for one in members if isinstance(one.record, Remittance)), None)
    if snapshot is None:
        return Derivation()
    record = cast("Remittance", snapshot.record)
    claims = [claim for _, claim in _of(members, ClaimPayment)]
    day = record.payment_date or record.production_date or date.fromisoformat(snapshot.observed_at[:10])
    closes = _closes(day, settings)
    if now < closes:
        return Derivation(again=closes)
    held = _repeated(id, record, [one for _, one in _of(members, Settlement)]) or hold(record, claims)
    if held is not None and record.trace_number not in settings.released:
        if held.reason == "incomplete" and now < closes + PATIENCE:
            return Derivation(again=closes + PATIENCE)
        return Derivation(records=(_task(snapshot.record_id, held, record.trace_number),))
    memo = f"Remittance {record.trace_number}" + (f" of {record.payer_name}" if record.payer_name else "")
    lines = remittance_lines(record, claims, settings)
    told = {"memo": memo, "origin": snapshot.record_id, "trace_number": record.trace_number}
    return Derivation(records=tuple(_entry(f"remittance:{id}", "remittance", day, lines, **told)))


def _repeated(id: str, record: Remittance, settlements: Sequence[Settlement]) -> Hold | None:
    """A settlement with repeats: only the first remittance of its trace number is booked without a person."""
    again = any(one.repeats and one.remittances and one.remittances[0] != id for one in settlements)
    return Hold("repeated", abs(record.amount)) if again else None


def _day(key: str, members: Sequence[Snapshot], settings: AccountingConfig, now: datetime) -> Derivation:
    _, text, location = key.split(":", 2)
    day = date.fromisoformat(text)
    closes = _closes(day, settings)
    if now < closes:
        return Derivation(again=closes)
    records = [one.record for one in members]
    charged = sum((charges_by_day(one).get(day, ZERO) for one in records if isinstance(one, Visit | ChargeItem)), ZERO)
    payments = [one for one in records if isinstance(one, PatientPayment)]
    lines = day_lines(charged, payments, RecordId(location) if location else None, settings)
    return Derivation(records=tuple(_entry(key, "daily-close", day, lines, memo=f"Charges and payments of {day}")))


def _deposits(members: Sequence[Snapshot], settings: AccountingConfig, now: datetime) -> Derivation:
    """Money that a remittance announced, from clearing to cash on the day the bank booked it."""
    remittances = _of(members, Remittance)
    if not remittances:
        return Derivation()
    found: list[Derived] = []
    later: list[datetime] = []
    for id, line in _of(members, BankTransaction):
        closes = _closes(line.booked_on, settings)
        if now < closes:
            later.append(closes)
            continue
        book = Book(remittances[0][1].payer)
        book.move("cash", "clearing", line.amount)
        told = {"memo": "Deposit of a remittance", "origin": id, "trace_number": remittances[0][1].trace_number}
        found += _entry(f"deposit:{id}", "deposit", line.booked_on, book.lines(), **told)
    return Derivation(records=tuple(found), again=min(later, default=None))


def _write_off(members: Sequence[Snapshot], settings: AccountingConfig, now: datetime) -> Derivation:
    """A denial that somebody gave up: what was at risk leaves the account on which the refusal left it."""
    snapshot = next(iter(members), None)
    record = None if snapshot is None else cast("Denial", snapshot.record)
    if snapshot is None or record is None or record.state != "written-off" or settings.basis == "cash":
        return Derivation()
    day = datetime.fromisoformat(snapshot.at).astimezone(ZoneInfo(settings.zone)).date()
    closes = _closes(day, settings)
    if now < closes:
        return Derivation(again=closes)
    book = Book(record.payer)
    owed = owed_after(record, settings)
    if owed is not None:
        book.move("write-off", owed, (record.at_risk or ZERO) - (record.recovered or ZERO))
    id = snapshot.record_id
    return Derivation(
        records=tuple(_entry(f"denial:{id}", "adjustment", day, book.lines(), memo="Denial written off", origin=id))
    )


def _entry(key: str, kind: str, day: date, lines: Sequence[Mapping[str, Any]], **told: str) -> Iterator[Derived]:
    """The ledger entry, named by its content; nothing when no amount is left."""
    if not lines:
        return
    fields: dict[str, Any] = {"booked_on": day, "kind": kind, "lines": list(lines), **told}
    digest = hashlib.sha256(_encode(fields)).hexdigest()[:20]
    yield Derived(type="LedgerEntry", native_id=f"{key}/{digest}", fields=fields)


def _task(id: RecordId, held: Hold, number: str) -> Derived:
    fields = {
        "title": _TITLES[held.reason], "state": "open", "kind": f"accounting-{held.reason}", "role": "biller",
        "reason": f"Trace number {number}.", "money": held.money, "about": id,
    }  # fmt: skip
    return Derived(type="Task", native_id=f"held/{id}", fields=fields)
