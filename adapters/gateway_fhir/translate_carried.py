"""Resources of another gateway: each is one record, whole, with what FHIR has no place for in its own extensions.

For ``profile = "gateway"``. What the elements hold is read by the mapping as of any server; every other field comes
from an extension ``urn:emr-gateway:<field>``, and a field that is in neither is gone. Nothing is derived that the other
gateway did not say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from msgspec import structs

from gateway.errors import InvalidContent
from gateway.model import TYPES
from gateway.model.fhir_places import HELD, OURS, PUSHED_BY, REFERS, Shape, shapes, slug
from gateway.model.identity import Ref
from gateway.model.patch import Patch
from gateway_fhir.records import Extension, Resource
from gateway_fhir.records_reference import target
from gateway_fhir.translate_path import path

_MOMENTS = {
    name: tuple(map(path, places))
    for name, places in {
        "start": ("start", "period.start"), "end": ("end", "period.end"), "created_at": ("created",),
        "submitted_at": ("created",), "checked_at": ("created",), "deceased_at": ("deceasedDateTime",),
    }.items()
}  # fmt: skip
"""Field -> where its moment stands with the offset that the other gateway keeps; a mapping gives the site's own."""


def carried(resource: Resource, patches: Sequence[Patch]) -> list[Patch]:
    """The one patch that a gateway's resource means; ``patches`` are what the mapping makes of it."""
    made = [one for one in patches if one.operation != "remove" and one.type in HELD]
    if not made:
        return list(patches)
    patch = next((one for one in made if one.type == "Payer"), made[0])
    kinds = shapes(TYPES[patch.type])
    held = {name: _said(value) for name, value in patch.fields.items() if name in HELD[patch.type]}
    held |= {name: _moment(name, resource, value) for name, value in held.items() if isinstance(value, datetime)}
    fields = dict.fromkeys(kinds) | held | _fields(kinds, resource.extension, OURS)
    fields.pop("merged_into" if patch.operation != "merge" and fields.get("merged_into") is None else "", None)
    return [structs.replace(patch, native_id=resource.native_id, fields=fields, references=None)]


def _said(value: Any) -> Any:
    """Contacts without the international form, which comes in an extension where the other gateway has it."""
    if isinstance(value, list):
        return [{k: v for k, v in one.items() if k != "e164"} if isinstance(one, dict) else one for one in value]
    return value


def _moment(name: str, resource: Resource, value: datetime) -> datetime:
    """The moment with its offset as it was sent."""
    text = next((found for read in _MOMENTS[name] if (found := read(resource))), None)
    try:
        sent = msgspec.convert(text, datetime)
    except msgspec.ValidationError:  # a form that only the mapping knows
        return value
    return sent if sent.tzinfo is not None else value


def _fields(kinds: Mapping[str, Shape], extensions: Iterable[Extension], prefix: str) -> dict[str, Any]:
    names = {f"{prefix}{slug(name)}": name for name in kinds}
    found: dict[str, Any] = {}
    for one in extensions:
        name = names.get(one.url)
        if name is None:
            continue
        value = _value(name, kinds[name], one)
        if kinds[name].many:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def _value(name: str, shape: Shape, one: Extension) -> Any:
    if shape.parts is not None:
        return _fields(shapes(shape.parts), one.extension, "")
    match shape.kind:
        case "String":
            value: Any = one.value_string
        case "Code":
            value = one.value_code
        case "Boolean":
            value = one.value_boolean
        case "Integer":
            value = one.value_integer if one.value_decimal is None else int(one.value_decimal)
        case "Decimal":
            value = one.value_decimal
        case "Money":
            value = one.value_money and one.value_money.value
        case "Reference":
            found = one.value_reference and target(one.value_reference)
            value = Ref(REFERS[name], found[1]) if found else None
        case _:
            value = _time(shape.kind, one)
    if value is None:
        raise _unreadable(name)
    return value


def _time(kind: str, one: Extension) -> date | datetime | None:
    text = one.value_date if kind == "Date" else one.value_date_time
    try:
        return None if text is None else msgspec.convert(text, date if kind == "Date" else datetime)
    except msgspec.ValidationError:
        return None


def _unreadable(name: str) -> InvalidContent:
    what = "The extension of another gateway does not hold what its name promises"
    return InvalidContent("wrong-type", what, where=f"extension[{slug(name)}]", fix="Run the same version on both.")


def pushed(resource: Resource, tag: str) -> bool:
    """Whether a route of ours wrote the resource: read back it would be a second record of the same thing."""
    return resource.meta is not None and any(one.system == PUSHED_BY and one.code == tag for one in resource.meta.tag)
