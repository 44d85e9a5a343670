"""Deliveries to columns: pure, so a repeated dispatch has the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import msgspec

from gateway.model import TYPES
from gateway.model.exchange import Delivery
from gateway.model.values import Money

ENVELOPE = ("key", "change", "type", "record_id", "version", "at", "source", "observed_at")
"""Columns every file begins with; a field of the same name is called ``record_<name>``."""

Kind = Literal["text", "json", "whole", "flag", "number", "money", "date", "instant"]


class Column(NamedTuple):
    """One column of a record type."""

    name: str
    field: str
    kind: Kind


@cache
def columns_of(type_name: str) -> tuple[Column, ...]:
    """Every field the model declares, in its order."""
    return tuple(
        Column(f"record_{one.name}" if one.name in ENVELOPE else one.name, one.name, _kind(one.type))
        for one in msgspec.structs.fields(TYPES[type_name])
    )


def partitions(deliveries: Sequence[Delivery]) -> dict[tuple[str, str], list[Delivery]]:
    """Deliveries by record type and by the day the journal took them, in their order."""
    found: dict[tuple[str, str], list[Delivery]] = {}
    for one in deliveries:
        found.setdefault((one.type, one.at[:10]), []).append(one)
    return found


def rows(type_name: str, deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    """One row per delivery: the envelope, and the granted fields that the record holds."""
    made = []
    for one in deliveries:
        record = msgspec.json.decode(one.body)
        row: dict[str, Any] = {name: getattr(one, name) for name in ENVELOPE}
        for column in columns_of(type_name):
            row[column.name] = _value(record.get(column.field), column.kind)
        made.append(row)
    return made


def _value(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    match kind:
        case "json":
            return msgspec.json.encode(value).decode()
        case "money":
            return Decimal(str(value))
        case "number":
            return float(value)
        case "date":
            return date.fromisoformat(value)
        case "instant":
            return datetime.fromisoformat(value)
        case _:
            return value


def _kind(annotation: Any) -> Kind:
    """The kind of column for a field's type; what has no column of its own is JSON text."""
    if annotation == Money:
        return "money"
    origin = get_origin(annotation)
    if origin is Literal:
        return "text"
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    arguments = [one for one in get_args(annotation) if one is not type(None)]
    if origin in {tuple, list, dict} or len(arguments) > 1:
        return "json"
    if arguments:
        return _kind(arguments[0])
    plain: dict[Any, Kind] = {
        bool: "flag", int: "whole", Decimal: "number", date: "date", datetime: "instant", str: "text",
    }  # fmt: skip
    return plain.get(getattr(annotation, "__supertype__", annotation), "json")
