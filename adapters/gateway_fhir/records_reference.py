"""References: relative, absolute, versioned, logical, by identifier, contained, and ``urn:uuid`` inside one Bundle.

The fast path knows ``Type/id`` with or without a version. Everything else is rewritten to that form before it is typed:
a contained resource gets the id of its holder and its own with ``#`` between them, which no server can give out; a
resource of another server keeps its whole address. So a native id is there before its target arrives. A reference by
identifier, or by a search for one, is an alias: the core knows which record it means once that has come.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from gateway.model.identity import ALIAS
from gateway_fhir.records import Identifier, Reference, Resource

_RELATIVE = re.compile(r"([A-Z][A-Za-z]{2,40})/(.+?)(?:/_history/[^/]+)?\Z", re.DOTALL)
_ABSOLUTE = re.compile(r"(https?://[^\s]+?)/([A-Z][A-Za-z]{2,40})/([A-Za-z0-9.\-]{1,64})(?:/_history/[^/]+)?\Z")
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]{2,40})\?identifier=([^&]+)\Z")
"""A search in place of an address, as transactions have it."""
_ODD = re.compile(rb'"reference"\s*:\s*"(?:#|urn:|https?:)')
_HOLDS = re.compile(rb'"contained"\s*:\s*\[')
_MARKED = frozenset({"Claim", "ClaimResponse", "ExplanationOfBenefit", "PractitionerRole"})
"""Resources whose native id carries their name; see ``records.Marked``."""
_NAMED = frozenset(
    {"Patient", "Practitioner", "Organization", "Location", "Coverage", "Claim", "ServiceRequest", "EpisodeOfCare"}
)
"""Resources that others refer to by identifier. A role has its person's often enough that both would claim it."""
MOST_NAMES = 8

MADE_OF: dict[str, frozenset[str]] = {
    "Appointment": frozenset({"Appointment"}),
    "Claim": frozenset({"Claim"}),
    "Coverage": frozenset({"Coverage"}),
    "EpisodeOfCare": frozenset({"EpisodeOfCare"}),
    "Location": frozenset({"Location"}),
    "Organization": frozenset({"Organization"}),
    "Patient": frozenset({"Patient"}),
    "Payer": frozenset({"Organization"}),
    "Practitioner": frozenset({"Practitioner", "PractitionerRole"}),
    "Referral": frozenset({"ServiceRequest"}),
}
"""Canonical types that a mapping may refer to, and the resources that make them."""


def target(reference: Reference) -> tuple[str | None, str] | None:
    """Resource type (None when the source does not tell) and native id of what is referred to; None for nothing."""
    text = reference.reference
    if text:
        type, _, id = text.partition("/")
        if id and "/" not in id and type.isalpha() and type[0].isupper():  # nearly all of them
            return type, text if type in _MARKED else id
        found = _RELATIVE.match(text)
        if found is not None:
            type, id = found.groups()
            return type, f"{type}/{id}" if type in _MARKED else id
        found = _CONDITIONAL.match(text)
        if found is not None:
            type, name = found.groups()
            return type, f"{ALIAS}{unquote(name)}"
    if reference.identifier is not None and reference.identifier.value:
        return reference.type, f"{ALIAS}{named(reference.identifier)}"
    return None


def named(identifier: Identifier) -> str:
    """An identifier as references by it say it, and as a search for it does."""
    return f"{identifier.system or ''}|{identifier.value}"


def names(resource: Resource) -> tuple[str, ...] | None:
    """The identifiers by which other resources of the server may refer to this one; None when it does not tell."""
    if resource.resource_type not in _NAMED or not resource.whole or "#" in resource.id:
        return None  # a contained one is known to its holder alone
    return tuple(dict.fromkeys(named(one) for one in resource.identifier[:MOST_NAMES] if one.value))


def referred(reference: Reference | None, record_type: str, *, strict: bool) -> str | None:
    """Native id of the target when it makes a record of this type.

    Args:
        reference: the reference, or nothing.
        record_type: a canonical type of :data:`MADE_OF`.
        strict: whether a reference by identifier must name its type, because the place may refer to several.
    """
    found = None if reference is None else target(reference)
    if found is None:
        return None
    type, native_id = found
    if type is None:
        return None if strict else native_id
    return native_id if type in MADE_OF[record_type] else None


def needs_rewriting(body: bytes) -> bool:
    """Whether a body holds references or contained resources that the fast path does not know."""
    return _ODD.search(body) is not None or (b'"contained"' in body and _HOLDS.search(body) is not None)


def rewrite(resource: dict[str, Any], entries: Mapping[str, str], base: str) -> list[dict[str, Any]]:
    """Bring every reference into the form ``Type/id``, in place; returns the contained resources with ids of their own.

    Args:
        resource: a resource as plain values.
        entries: ``Type/id`` by ``fullUrl`` of the Bundle it came in.
        base: address of the source's own server; when empty, every absolute reference is taken for its own.
    """
    holder = f"{resource.get('resourceType')}-{resource.get('id')}"
    inner = [one for one in resource.pop("contained", None) or () if isinstance(one, dict) and one.get("id")]
    local = {f"#{one['id']}": f"{one.get('resourceType')}/{holder}#{one['id']}" for one in inner}
    local["#"] = f"{resource.get('resourceType')}/{resource.get('id')}"
    for one in inner:
        own = local[f"#{one['id']}"]
        one["id"] = own.partition("/")[2]
        if "meta" not in one and "meta" in resource:
            one["meta"] = resource["meta"]
        _walk(one, local, entries, base)
    _walk(resource, local, entries, base)
    return inner


def _walk(value: Any, local: Mapping[str, str], entries: Mapping[str, str], base: str) -> None:
    if isinstance(value, dict):
        text = value.get("reference")
        if isinstance(text, str):
            value["reference"] = _one(text, local, entries, base)
        for inner in value.values():
            if isinstance(inner, (dict, list)):
                _walk(inner, local, entries, base)
    elif isinstance(value, list):
        for inner in value:
            _walk(inner, local, entries, base)


def _one(text: str, local: Mapping[str, str], entries: Mapping[str, str], base: str) -> str:
    """One reference; what leads nowhere is left as it is and then refers to nothing."""
    if text in local:
        return local[text]
    if text in entries:
        return entries[text]
    found = _ABSOLUTE.match(text)
    if found is None:
        return text
    server, type, id = found.groups()
    return f"{type}/{id}" if not base or server == base.rstrip("/") else f"{type}/{server}/{type}/{id}"
