"""The rules: what makes two records of one person one and the same thing. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import combinations
from typing import NamedTuple

from gateway.model.appointment import Appointment
from gateway.model.authorization import Authorization
from gateway.model.exchange import Snapshot
from gateway.model.identity import RecordId
from gateway.model.visit import Visit

Place = tuple[str | int, ...]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Thing = Appointment | Visit | Authorization
WORDS = {"Appointment": "visit", "Visit": "treatment", "Authorization": "authorization"}


class Known(NamedTuple):
    """One record that may be there twice."""

    id: RecordId
    patient: RecordId
    source: str
    record: Thing


def known(snapshot: Snapshot) -> Known | None:
    """The record, when it is one of those that are compared and tells whose it is."""
    record = snapshot.record
    if snapshot.removed or not isinstance(record, Thing) or record.patient is None:
        return None
    return Known(snapshot.record_id, record.patient, snapshot.source, record)


def compared(things: Sequence[Known], within: timedelta) -> list[tuple[Known, Known]]:
    """Every pair that may be the same, in order: those that have a place in common where :func:`same` looks.

    A person who has come for years has thousands of things, and their pairs are millions.
    """
    found: dict[Place, list[int]] = defaultdict(list)
    for number, one in enumerate(things):
        for place in _places(one.record, within):
            found[place].append(number)
    pairs = {pair for numbers in found.values() for pair in combinations(numbers, 2)}
    return [(things[first], things[second]) for first, second in sorted(pairs)]


def _places(record: Thing, within: timedelta) -> Iterator[Place]:
    """Times in steps of ``within``, each with the next step: no further apart means one step in common."""
    kind = type(record).__name__
    if isinstance(record, Authorization):
        if number := _plain(record.number):
            yield kind, number
        yield kind, str(record.starts_on), str(record.ends_on), str(record.visits_approved)
        return
    if record.start is not None:
        step = (record.start - _EPOCH) // max(within, timedelta(seconds=1))
        yield kind, step
        yield kind, step + 1
    if isinstance(record, Visit) and record.service_date is not None:
        yield kind, record.service_date.isoformat()


def same(first: Thing, second: Thing, within: timedelta) -> str | None:
    """Why two records of one person are one thing, in words; None when nothing says so."""
    match first, second:
        case Appointment(), Appointment():
            if abs(first.start - second.start) > within or first.status == second.status == "cancelled":
                return None
            return "Same person and time" + _differ(first.status, second.status)
        case Visit(), Visit():
            return _treatment(first, second, within)
        case Authorization(), Authorization():
            return _permission(first, second)
    return None


def _treatment(first: Visit, second: Visit, within: timedelta) -> str | None:
    if "cancelled" in (first.status, second.status):
        return None
    if first.start is not None and second.start is not None:
        return "Same person and time of treatment" if abs(first.start - second.start) <= within else None
    codes = {one.procedure_code for one in first.charges} & {one.procedure_code for one in second.charges}
    on_one_day = first.service_date is not None and first.service_date == second.service_date
    return "Same person, day and a procedure" if on_one_day and codes else None


def _permission(first: Authorization, second: Authorization) -> str | None:
    numbers = [_plain(one.number) for one in (first, second)]
    if all(numbers):
        return "Same person and number" + _differ(first.status, second.status) if numbers[0] == numbers[1] else None
    period = (first.starts_on, first.ends_on, first.visits_approved)
    if None not in period and period == (second.starts_on, second.ends_on, second.visits_approved):
        return "Same person, period and visits approved"
    return None


def _differ(first: str, second: str) -> str:
    return "" if first == second else f"; one says {first}, the other {second}"


def _plain(number: str | None) -> str:
    return "".join(char for char in (number or "").casefold() if char.isalnum())


def over(record: Thing, days: int) -> datetime | None:
    """When a record is too old to be shown; None when it has no end."""
    keep = timedelta(days=days)
    match record:
        case Appointment():
            return record.start.astimezone(UTC) + keep
        case Visit():
            if record.start is not None:
                return record.start.astimezone(UTC) + keep
            day = record.service_date
        case Authorization():
            day = record.ends_on
    return None if day is None else datetime.combine(day, time.max, UTC) + keep
