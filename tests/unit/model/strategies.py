"""Arbitrary valid records of every canonical type, made from the types themselves."""

from __future__ import annotations

import types
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import settings
from hypothesis import strategies as st

from gateway.model import TYPES, encode
from gateway.model.identity import RecordId
from gateway.model.ledger_entry import LedgerEntry
from gateway.model.values import Instant, Money, Zone

Fields = dict[str, Any]

unhurried = settings(deadline=None)
"""No time limit per example: the machine is shared, and these tests promise laws, not speed."""

AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=2)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
LEAVES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (Money, AMOUNTS),
    (Instant, st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=OFFSETS | st.just(UTC))),
    (Zone, st.sampled_from(["America/Chicago", "America/New_York", "Pacific/Honolulu", "UTC"])),
    (RecordId, st.uuids().map(str)),
    (str, st.text(max_size=12)),
    (bool, st.booleans()),
    (int, st.integers(-(2**53), 2**53)),
    (date, st.dates(date(1880, 1, 1), date(2200, 1, 1))),
    (Decimal, st.decimals(min_value=-(10**6), max_value=10**6, places=3)),
]


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Canonical values of one field's type; never None, which stands for deletion."""
    for leaf, strategy in LEAVES:
        if kind == leaf:
            return strategy
    if get_origin(kind) in {Union, types.UnionType}:
        return st.one_of([values(part) for part in get_args(kind) if part is not type(None)])
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0]), max_size=2)
    return fields_of(kind)


def fields_of(cls: type[msgspec.Struct]) -> st.SearchStrategy[Fields]:
    """Fields of a valid struct: all that are required, any of the rest."""
    kinds = {field.name: values(field.type) for field in msgspec.structs.fields(cls)}
    required = {field.name for field in msgspec.structs.fields(cls) if field.required}
    chosen = st.fixed_dictionaries(
        {name: kinds[name] for name in required},
        optional={name: kind for name, kind in kinds.items() if name not in required},
    )
    if cls is LedgerEntry:
        return st.builds(_balance, chosen, AMOUNTS)
    return chosen


def _balance(fields: Fields, amount: Decimal) -> Fields:
    debit = {"account": "cash", "amount": amount}
    return {**fields, "lines": [debit, {"account": "payer-receivable", "amount": -amount}]}


BY_TYPE = {name: fields_of(cls) for name, cls in TYPES.items()}
ANY_TYPE = st.sampled_from(sorted(TYPES))


def stored(record: msgspec.Struct) -> Fields:
    """The record as the store gives it back: plain JSON values."""
    plain: Fields = msgspec.json.decode(encode(record))
    return plain


@st.composite
def records(draw: st.DrawFn, count: int = 1) -> tuple[str, list[Fields]]:
    """A type's name and the fields of ``count`` valid records of it."""
    name = draw(ANY_TYPE)
    return name, [draw(BY_TYPE[name]) for _ in range(count)]


def example(cls: type[msgspec.Struct]) -> Fields:
    """The smallest valid fields of a struct, for tests that break one field of it."""
    simple: dict[Any, Any] = {
        str: "x", Money: Decimal("1.00"), Instant: datetime(2026, 3, 2, 15, tzinfo=UTC), date: date(2026, 3, 2),
        bool: True, int: 1, RecordId: str(uuid.UUID(int=8)),
    }  # fmt: skip
    if cls is LedgerEntry:
        return _balance({"booked_on": date(2026, 3, 2), "kind": "charge"}, Decimal("1.00"))
    return {
        field.name: get_args(field.type)[0] if get_origin(field.type) is Literal else _simplest(field.type, simple)
        for field in msgspec.structs.fields(cls)
        if field.required
    }


def _simplest(kind: Any, simple: dict[Any, Any]) -> Any:
    return simple[kind] if kind in simple else example(kind)
