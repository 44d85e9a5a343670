"""Filters of the simulated lists: which fields each list offers, how they compare, and what is hidden by default."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]

_FILTER = re.compile(r"(\w+):(>=|<=|!=|!\?|~~|[=><?~*])(.*)", re.DOTALL)
_OPERATORS = {"time": (">=", ">", "<=", "<"), "date": ("=", ">=", ">", "<=", "<"), "flag": ("=", "!=")}
_OPERATORS |= {"id": ("=", "!=", ">=", ">", "<=", "<"), "text": ("=", "!=", "~", "~~")}
_TIMES = dict.fromkeys(("created_at", "updated_at"), "time")
_HIDING = dict.fromkeys(("archived_at", "deleted_at", "cancelled_at"), "time")
_GONE = dict.fromkeys(("archived_at", "deleted_at"), "time")
_LINKED = ("id", "appointment_type_id", "business_id", "patient_id", "practitioner_id", "repeated_from_id")
_BOOKED = ("id", "appointment_id", "booking_id", "patient_case_id", "patient_id")
FILTERS: dict[str, dict[str, str]] = {
    "patients": {"id": "id", "archived_at": "time", "date_of_birth": "date", **_TIMES}
    | dict.fromkeys(("email", "first_name", "last_name", "old_reference_id", "preferred_first_name"), "text"),
    "practitioners": {"id": "id", "user_id": "id", "active": "flag", **_TIMES},
    "businesses": {"id": "id", "archived_at": "time", "deleted_at": "time", **_TIMES},
    "individual_appointments": {"starts_at": "time", "ends_at": "time", "did_not_arrive": "flag", **_TIMES, **_HIDING}
    | dict.fromkeys(_LINKED, "id"),
    "attendees": _TIMES | _HIDING | dict.fromkeys(_BOOKED, "id"),
    "group_appointments": {"starts_at": "time", "ends_at": "time", **_TIMES, **_GONE}
    | dict.fromkeys(("id", "appointment_type_id", "business_id", "practitioner_id", "repeated_from_id"), "id"),
    "appointment_types": {"id": "id", "archived_at": "time", "category": "text", **_TIMES},
    "practitioner_reference_numbers": {"reference_number": "text", **_TIMES}
    | dict.fromkeys(("id", "business_id", "practitioner_id"), "id"),
    "contacts": {"id": "id", "type_code": "id", **_TIMES, **_GONE}
    | dict.fromkeys(("company_name", "email", "first_name", "last_name", "occupation"), "text"),
    "patient_cases": {"id": "id", "patient_id": "id", "archived_at": "time", "closed_at": "time", **_TIMES}
    | {"expiry_date": "date", "issue_date": "date", "name": "text", "referral_type": "text"},
    "invoices": {"closed_at": "time", "issue_date": "date", "number": "id", "status": "id", **_TIMES, **_GONE}
    | dict.fromkeys(("id", "appointment_id", "attendee_id", "business_id", "patient_id", "practitioner_id"), "id"),
    "invoice_items": _TIMES | _GONE | dict.fromkeys(("id", "invoice_id", "source_item_id"), "id"),
    "referral_source_types": {"id": "id", "archived_at": "time", **_TIMES},
    "referral_sources": {"archived_at": "time", **_TIMES}
    | dict.fromkeys(("id", "referral_source_type_id", "referrer_id"), "id"),
    "communications": {"archived_at": "time", **_TIMES}
    | dict.fromkeys(("id", "patient_id", "letter_id", "category_code", "type_code"), "id"),
    "unavailable_blocks": {"starts_at": "time", "ends_at": "time", **_TIMES, **_GONE}
    | dict.fromkeys(("id", "business_id", "practitioner_id", "repeated_from_id", "unavailable_block_type_id"), "id"),
}


def select(table: str, rows: Iterable[Row], filters: Iterable[str]) -> list[Row]:
    """Rows that fulfil every filter, without those hidden by default; ``ValueError`` for a filter the list lacks."""
    chosen, named = list(rows), set()
    for text in filters:
        found = _FILTER.fullmatch(text)
        kind = FILTERS[table].get(found[1]) if found else None
        if found is None or kind is None or found[2] not in (*_OPERATORS[kind], "?", "!?", "*"):
            raise ValueError("This field is not filterable")
        name, operator, operand = found.groups()
        named.add(name)
        chosen = [row for row in chosen if _matches(kind, value_of(row, name), operator, operand)]
    return [row for row in chosen if not any(row.get(name) for name in _HIDING.keys() - named)]


def _matches(kind: str, value: Any, operator: str, operand: str) -> bool:
    if operator in ("?", "!?", "*"):
        return operator == "*" or (value is None) == (operator == "!?")
    if kind == "text" and operator in ("~", "~~"):
        parts = operand.split("%") if operator == "~~" else ["", operand, ""]
        return re.fullmatch(".*".join(map(re.escape, parts)), str(value or ""), re.DOTALL) is not None
    if operator in ("=", "!="):
        wanted = [one.casefold() for one in (operand.split(",") if kind == "id" else [operand])]
        return (str(value).casefold() in wanted) == (operator == "=")
    if value is None:
        return False
    left: Any = int(value) if kind == "id" else value
    right: Any = int(operand) if kind == "id" else operand
    return (left > right) - (left < right) in {">": (1,), ">=": (0, 1), "<": (-1,), "<=": (-1, 0)}[operator]


def value_of(row: Row, name: str) -> Any:
    """A field, or the id at the end of a relationship."""
    link = row.get(name.removesuffix("_id"))
    return link["links"]["self"].rpartition("/")[2] if name not in row and link else row.get(name)
