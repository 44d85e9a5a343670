"""The form of a resource: its elements, and which of them a mapping's paths are read from."""

from __future__ import annotations

from gateway.model.form import Form
from gateway.wire.json_form import members, without_member
from gateway_fhir.records_bundle import resource_type
from gateway_fhir.translate import KINDS, READ_HERE, element_of

_USED = frozenset({"resourceType", "id", "meta", "contained", "implicitRules", "modifierExtension", "use"})
"""Elements that say what a resource is, or whether it may be read."""


def form(body: bytes, context: bytes) -> Form | None:
    """The elements of a resource of a type that is read; a deletion has none."""
    if context.startswith(b"deleted "):
        return None
    found = members(body)
    kind = resource_type(body)
    if kind not in KINDS:
        return None
    use = bytes(found["use"]).decode().strip('"') if "use" in found else "claim"
    return Form(kind if use == "claim" else f"{kind}:{use}", found)


def origins(path: str) -> tuple[str, ...]:
    """The element that a path begins in."""
    return (element_of(path),)


def without(body: bytes, context: bytes, place: str) -> bytes | None:
    """A resource without one element, unless it is read whatever the mapping says."""
    del context  # the names of a Bundle do not change with an element
    if place in _USED or place in READ_HERE.get(resource_type(body), frozenset()):
        return None
    return without_member(body, place)
