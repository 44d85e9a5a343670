"""Validation against the standard by fhir.resources: strict mode, quarantine, ``gateway fhir validate``, onboarding.

The library has no R4 (4.0.1) module, only R4B (4.3.0). Where they differ it matters little to what is read here: R4B's
new subscription types are accepted and not read; Evidence, Citation and the definitions of medications differ and are
not read either; value sets beyond R4's required codes are checked by the mapping's code tables, as before. Its messages
quote values, so only its error types and places are taken over.
"""

from __future__ import annotations

import re
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from gateway.errors import InvalidContent
from gateway.model.exchange import Finding
from gateway_fhir.records import plain

_WORDS = {
    "missing": ("missing-element", "An element that FHIR requires is absent"),
    "extra_forbidden": ("unknown-element", "FHIR has no such element here"),
    "value_error": ("breaks-a-rule", "The element breaks a rule of FHIR"),
}
_MOST = 100
_TOLD = 5
"""Faults named beside the reason of a quarantined resource; the commands name them all."""
_LARGEST = 256 * 1024
"""Bytes: the library takes half a second for as much, and messages behind this one wait meanwhile."""
_ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
__all__ = ["check", "told"]


def check(body: bytes) -> list[Finding]:
    """Every way in which one resource differs from FHIR, each named by its path and never by its value."""
    values = plain(body)
    kind = values.get("resourceType")
    try:
        model: Any = get_fhir_model_class(str(kind))
    except (LookupError, ValueError, AttributeError):  # whatever a name does to the library's own look-up
        return [Finding(reason="unknown-resource", what="FHIR has no such resource", where="resourceType")]
    try:
        model.model_validate_json(body)
    except ValidationError as error:
        return [_finding(str(kind), one) for one in error.errors(include_url=False, include_input=False)[:_MOST]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # The library's own words may quote the resource.
        what = f"The library cannot read it: {type(error).__name__}"
        return [Finding(reason="unreadable", what=what, where=str(kind))]
    return []


def told(body: bytes) -> str:
    """What else is wrong with a resource that goes to quarantine, in one sentence; empty when nothing is."""
    if len(body) > _LARGEST:
        return "It is too large to be validated here; `gateway fhir validate` does it."
    try:
        found = check(body)
    except InvalidContent:
        return ""  # no JSON: there is nothing to validate
    if not found:
        return ""
    named = dict.fromkeys(f"{_without_own(one)} ({one.reason})" for one in found)
    more = f" and {len(named) - _TOLD} more" if len(named) > _TOLD else ""
    return f"FHIR R4 itself finds wrong: {', '.join(list(named)[:_TOLD])}{more}."


def _without_own(found: Finding) -> str:
    """Where it is; an element of the sender's own making goes without its name, which may be a value."""
    return found.where if found.reason != "unknown-element" else f"{found.where.rpartition('.')[0]}.?"


def _finding(kind: str, error: Any) -> Finding:
    type = str(error.get("type", ""))
    reason, what = _WORDS.get(type, ("wrong-type", "The value is not of the type that FHIR says"))
    place = kind
    for part in error.get("loc", ()):
        name = str(part)
        # what the sender calls an element of its own may be anything, a patient's name too
        place += f"[{part}]" if isinstance(part, int) else f".{name if _ELEMENT.fullmatch(name) else '?'}"
    return Finding(reason=reason, what=what, where=place, fix="Correct it at the sender.")
