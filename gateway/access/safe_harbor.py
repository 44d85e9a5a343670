"""Safe Harbor: records with the 18 identifiers gone (45 CFR 164.514(b)(2)), made where their bytes are made.

A granted field leaves only by a rule of its type. Numbers, flags and words of a fixed list leave as they are. A text
leaves only as a code of a public code set, named with its form in ``safe_harbor.toml``; what has another form is left
out, and a view that grants any other text is refused. A ZIP code is cut to three digits, or to 000 where few people
live. A date is moved back by a number of days that is the same for all records of one patient, so that intervals hold;
a date that tells an age over 89 becomes the start of the year that stands for 90 and more. Times keep the hour on the
clinic's wall and lose their offset, which would tell the season. References become codes.

The key of codes and days stays in the gateway. It knows no patient's number of days before a record is opened.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec

from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.model.identity import RecordId

POOLED_AGE = 90
"""Years: this age and every higher one are one age."""
_ZIP = re.compile(r"(\d{3})\d{2}(-?\d{4})?", re.ASCII)
_LAST_YEAR = 9000
"""No record of care lies beyond it; a shift at the calendar's end has nowhere to go."""


class Veil(NamedTuple):
    """What makes one patient's records unlinkable, for one recipient."""

    days: int
    """How far dates are moved, in days; never 0."""
    code: Callable[[str], str]
    """What stands for the id of a record."""
    today: date
    """When the record was taken into the journal: from then ages are counted."""

    def shifted(self, day: date) -> date | None:
        """A date as it leaves."""
        limit = date(self.today.year - POOLED_AGE, self.today.month, min(self.today.day, 28))
        if day <= limit:
            return date(limit.year, 1, 1)
        return day + timedelta(days=self.days) if day.year < _LAST_YEAR else None

    def shifted_time(self, at: datetime) -> datetime | None:
        """A time as it leaves: the hour on the clinic's wall, written as if it were UTC."""
        day = self.shifted(at.date())
        return None if day is None else datetime.combine(day, at.time(), UTC)


Rule = Callable[[Any, Veil], Any]
Rules = dict[str, "Rule | Rules"]


class _Data(msgspec.Struct, frozen=True):
    small_population: frozenset[str]
    codes: dict[str, str]


@cache
def _data() -> _Data:
    text = files("gateway.access").joinpath("safe_harbor.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Data)


class Lens:
    """One record type under Safe Harbor.

    Args:
        struct: the canonical type.
        parts: the granted fields, each with its granted parts; none grants the field whole.
        place: the setting, for errors.

    Raises:
        InvalidConfiguration: a field is granted whose content no rule can vouch for.
    """

    def __init__(self, struct: type[msgspec.Struct], parts: Mapping[str, tuple[str, ...]], place: str) -> None:
        shape, self._rules = _shape(struct, parts, place)
        self._name = struct.__name__
        self._decode = msgspec.json.Decoder(shape).decode

    def project(self, data: bytes, veil: Veil) -> dict[str, Any]:
        """The fields that leave, as values for JSON.

        Raises:
            IntegrityViolated: ``data`` is not a canonical record of the type; nothing of it is handed on.
        """
        try:
            record = self._decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise IntegrityViolated(
                "A stored record is not canonical JSON of its type", where=self._name, fix="Run gateway verify ledger."
            ) from None
        return _veiled(record, self._rules, veil)


def _veiled(record: Any, rules: Rules, veil: Veil) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, rule in rules.items():
        value = getattr(record, name)
        if value is None or value is msgspec.UNSET:
            continue
        if isinstance(value, tuple):
            kept = [one for one in (_one(item, rule, veil) for item in value) if one is not None]
        else:
            kept = _one(value, rule, veil)
        if kept is not None:
            told[name] = kept
    return told


def _one(value: Any, rule: Rule | Rules, veil: Veil) -> Any:
    return _veiled(value, rule, veil) if isinstance(rule, dict) else rule(value, veil)


def _shape(struct: type[msgspec.Struct], parts: Mapping[str, tuple[str, ...]], place: str) -> tuple[Any, Rules]:
    """A Struct that holds the granted parts in their own types, and the rule by which each leaves."""
    shape: list[tuple[str, Any, Any]] = []
    rules: Rules = {}
    for field in msgspec.structs.fields(struct):
        if field.name not in parts:
            continue
        leaf: Any
        leaf, many = _leaf(field.type)
        if isinstance(leaf, type) and issubclass(leaf, msgspec.Struct):
            inner = parts[field.name] or leaf.__struct_fields__
            leaf, rules[field.name] = _shape(leaf, dict.fromkeys(inner, ()), f"{place}.{field.name}")
        else:
            rules[field.name] = _rule(f"{struct.__name__}.{field.name}", leaf, f"{place}.{field.name}")
        kind: Any = tuple.__class_getitem__((leaf, ...)) if many else leaf
        shape.append((field.name, kind | None | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(struct.__name__, shape, frozen=True, kw_only=True), rules


def _leaf(annotation: Any) -> tuple[Any, bool]:
    """What a field holds, free of None, constraints and list; and whether it is a list."""
    arguments = [part for part in get_args(annotation) if part not in {type(None), Ellipsis}]
    origin = get_origin(annotation)
    if origin is None or origin in {Literal, dict} or not arguments:
        return annotation, False
    leaf, many = _leaf(arguments[0])
    return leaf, many or origin in {tuple, list}


def _rule(name: str, leaf: Any, place: str) -> Rule:
    if leaf is RecordId:
        return lambda value, veil: veil.code(value)
    if get_origin(leaf) is Literal or leaf in {bool, int, Decimal}:
        return lambda value, _: value
    if leaf is datetime:
        return lambda value, veil: veil.shifted_time(value)
    if leaf is date:
        return lambda value, veil: veil.shifted(value)
    if leaf is str and name == "Address.postal_code":
        return lambda value, _: _area(value)
    if leaf is str and name in _data().codes:
        form = re.compile(_data().codes[name], re.ASCII)
        return lambda value, _: value if form.fullmatch(value) else None
    raise InvalidConfiguration(
        "A field that may hold anything cannot be told without identifiers",
        where=place,
        fix="Leave it out of the view.",
    )


def _area(postal_code: str) -> str:
    """The first three digits of a ZIP code, or 000 where too few people share them, or where it is no ZIP code."""
    found = _ZIP.fullmatch(postal_code.strip())
    return found[1] if found is not None and found[1] not in _data().small_population else "000"
