"""What FHIR R4 has no place for, in extensions of our own, so that another gateway reads the same record back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gateway.model import TYPES
from gateway.model.fhir_places import HELD, LOST, REFERS, RESOURCES, Shape, shapes, slug
from gateway.wire.fhir_values import OURS, Fields, Json, code, money, number, reference, text

_RESOURCE = {kind: resource for resource, kinds in RESOURCES.items() for kind in kinds}
_SYSTEM = re.compile(r"(https?://|urn:)\S+")
_ENDS = {
    "ends_on": "starts_on", "discharged_on": "started_on", "certified_to": "certified_from",
    "expires_on": "received_on", "end": "start",
}  # fmt: skip
"""Ends of periods, which FHIR forbids to lie before their starts."""


def carried(type: str, fields: Fields) -> list[Json]:
    """Extensions for the granted fields that the elements of the resource do not hold, or not exactly."""
    held = HELD.get(type)
    if held is None:  # no gateway reads it back
        return []
    made: list[Json] = []
    for name, shape in shapes(TYPES[type]).items():
        value = fields.get(name)
        if value is not None and (type, name) not in LOST and not (name in held and _fits(name, fields)):
            made += _extensions(f"{OURS}{slug(name)}", name, shape, value)
    return made


def _fits(name: str, fields: Fields) -> bool:
    """Whether the element that a field has can hold this value of it."""
    value = fields[name]
    begin = fields.get(_ENDS.get(name, ""), fields.get("service_date") if name == "end" else None)
    if begin is not None and str(value)[:10] < str(begin)[:10]:
        return False
    fits = _FITS.get(name)
    return fits is None or fits(value)


def _name(name: Fields) -> bool:
    return not name.get("preferred") and bool(name.get("given") or not name.get("middle"))


def _use(one: Fields) -> bool:
    return one.get("use") != "other"


def _assigned(found: Sequence[Fields]) -> bool:
    """FHIR names an authority by address; types are codes, which are read in capitals."""
    return all(
        _SYSTEM.fullmatch(one.get("authority", "urn:x"))
        and one.get("type", "X") == (code(one.get("type", "X")) or "").upper()
        for one in found
    )


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str) or _name(value),
    "contacts": lambda found: all(_use(one) and "e164" not in one for one in found),
    "address": _use,
    "addresses": lambda found: all(_use(one) for one in found),
    "identifiers": _assigned,
    "diagnoses": lambda found: all(one == code(one) for one in found),
    "status": lambda value: value != "confirmed",  # FHIR: booked, and the patient's participation accepted
    "minutes": lambda value: 0 < value < 2**31,
    "priority": lambda value: 0 < value < 2**31,
}
"""By field, the values that its element can hold; any, where none is said."""


def _extensions(url: str, name: str, shape: Shape, value: Any) -> Iterator[Json]:
    for one in value if shape.many else (value,):
        if shape.parts is not None:
            inner = [
                made
                for part, of in shapes(shape.parts).items()
                if one.get(part) is not None
                for made in _extensions(slug(part), part, of, one[part])
            ]
            if inner:
                yield {"url": url, "extension": inner}
        elif (made := _written(name, shape.kind, one)) is not None:
            kind, content = made
            yield {"url": url, f"value{kind}": content}


def _written(name: str, kind: str, value: Any) -> tuple[str, Any] | None:
    """The value[x] of one value; None when it says nothing."""
    if kind == "Integer" and not -(2**31) <= value < 2**31:
        return "Decimal", value
    content: Any = value
    match kind:
        case "String":
            content = text(value)
        case "Money":
            content = money(value)
        case "Decimal":
            content = number(value)
        case "Reference":
            content = reference(_RESOURCE[REFERS[name]], value)
    return None if content is None else (kind, content)
