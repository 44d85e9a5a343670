"""Paths of mapping files, in FHIR's own words, compiled to readers of typed records.

=====================  ================================================================================
``name.family``        the element; of a repeating one the first that leads to something
``telecom[*]``         every repetition, for ``each``
``coding[system=X]``   only where an element equals; ``[*system=X]`` is every such repetition
``extension[url=X]``   extensions likewise; ``[url$=/tail]`` compares the end of an address
``created:time``       only when it holds a time of day, for FHIR allows a date alone
``actor->Patient``     native id of the reference's target when it is one; ``=>`` when the place allows no other type
``.``                  the repetition itself
=====================  ================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from gateway.errors import InvalidConfiguration
from gateway_fhir import records, records_clinical, records_financial
from gateway_fhir.records import Part, fhir_name
from gateway_fhir.records_reference import MADE_OF, referred

Reader = Callable[[Any], Any]
Keep = Callable[[Any], bool]

_STEP = re.compile(r"\.?([A-Za-z]+)(?:\[([^\]]*)\])?")
_END = re.compile(r"(->|=>)([A-Za-z]+)\Z|:(time)\Z")
_FILTER = re.compile(r"(\*?)(?:([A-Za-z]+)(\$?=)(.+))?\Z")


def _names() -> dict[str, str]:
    """Python's name of every element and property that a path may name, by FHIR's."""
    found: dict[str, str] = {}
    for module in (records, records_clinical, records_financial):
        for struct in vars(module).values():
            if isinstance(struct, type) and issubclass(struct, Part) and issubclass(struct, Struct):
                found.update((fhir_name(name), name) for name in struct.__struct_fields__)
                found.update((fhir_name(name), name) for name, of in vars(struct).items() if isinstance(of, property))
    return found


_NAMES = _names()


def path(text: str) -> Reader:
    """A reader of one path: a single value, or a list of repetitions where the path says ``[*]``."""
    ending = _END.search(text)
    rest = text[: ending.start()] if ending else text
    steps: list[tuple[str, bool, Keep | None]] = []
    at = 0
    while at < len(rest) and rest != ".":
        found = _STEP.match(rest, at)
        name = found and _NAMES.get(found[1])
        if found is None or name is None:
            raise InvalidConfiguration(
                "A mapping names an element that this adapter does not read", where=text[:64],
                fix="Compare it with records_clinical.py and records_financial.py.",
            )  # fmt: skip
        every, keep = _filter(found[2], text)
        steps.append((name, every, keep))
        at = found.end()
    last = _last(ending)
    if any(every for _, every, _ in steps):
        return _all(steps, last)
    return _first(steps, last)


def _filter(inside: str | None, text: str) -> tuple[bool, Keep | None]:
    """What stands in brackets: whether every repetition is meant, and which are kept."""
    if inside is None:
        return False, None
    found = _FILTER.match(inside)
    if found is None or (found[2] and found[2] not in _NAMES):
        raise InvalidConfiguration(
            "A mapping has a condition in brackets that cannot be read", where=text[:64], fix="Write [name=value]."
        )
    if not found[2]:
        return bool(found[1]), None
    name, wanted, is_end = _NAMES[found[2]], found[4], found[3] == "$="

    def keep(one: Any) -> bool:
        value = getattr(one, name, None)
        if isinstance(value, bool):
            value = "true" if value else "false"
        return isinstance(value, str) and (value.endswith(wanted) if is_end else value == wanted)

    return bool(found[1]), keep


def _last(ending: re.Match[str] | None) -> Reader:
    """What is done with the value at the end of a path."""
    if ending is None:
        return _value
    if ending[3]:
        return lambda value: value if isinstance(value, str) and "T" in value else None
    arrow, record_type = ending[1], ending[2]
    if record_type not in MADE_OF:
        raise InvalidConfiguration(
            "A mapping refers to a record type that no reference leads to", where=record_type[:64],
            fix=f"Use one of {', '.join(MADE_OF)}.",
        )  # fmt: skip
    return lambda value: referred(value, record_type, strict=arrow == "->")


def _value(value: Any) -> Any:
    return None if value == "" else value


def _first(steps: list[tuple[str, bool, Keep | None]], last: Reader) -> Reader:
    """The first value that a path leads to."""
    if not steps:
        return last
    name, _, keep = steps[0]
    rest = _first(steps[1:], last)
    if keep is None and last is _value and len(steps) == 1:
        return _element(name)

    def read(record: Any) -> Any:
        value = getattr(record, name, None)
        if value is None:
            return None
        if type(value) is tuple:
            for one in value:
                if one is not None and (keep is None or keep(one)):
                    found = rest(one)
                    if found is not None:
                        return found
            return None
        return rest(value) if keep is None or keep(value) else None

    return read


def _element(name: str) -> Reader:
    """One element without a condition; by far the most paths are that."""

    def read(record: Any) -> Any:
        value = getattr(record, name, None)
        if type(value) is tuple:
            return next((one for one in value if one is not None), None)
        return value

    return read


def _all(steps: list[tuple[str, bool, Keep | None]], last: Reader) -> Reader:
    """Every value that a path leads to; None when there is none."""

    def read(record: Any) -> Any:
        values = [record]
        for name, _, keep in steps:
            reached: list[Any] = []
            for one in values:
                value = getattr(one, name, None)
                if type(value) is tuple:
                    reached += [each for each in value if each is not None and (keep is None or keep(each))]
                elif value is not None and (keep is None or keep(value)):
                    reached.append(value)
            values = reached
        return [found for one in values if (found := last(one)) is not None] or None

    return read
