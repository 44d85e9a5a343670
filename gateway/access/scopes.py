"""Scopes of machine clients, in the form of SMART on FHIR: ``system/Appointment.rs``, ``system/*.read``.

The type is a FHIR resource or a record type of the canonical model; a FHIR resource stands for the record types that
are shown as it. Only reading is granted; a scope that would write is not a scope here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.model.fhir_places import RESOURCES

_SCOPE = re.compile(r"system/(\*|[A-Z][A-Za-z]{1,39})\.(read|rs|r|s)")

OTHERS = ("AuditEvent", "Provenance")
"""Resources made of other things than records."""


def known(scope: str, types: Iterable[str]) -> bool:
    """Whether a scope has the form, and its type is one of ``types`` or a resource."""
    found = _SCOPE.fullmatch(scope)
    return found is not None and found[1] in {"*", *RESOURCES, *OTHERS, *types}


def names(scopes: Iterable[str], interaction: str = "") -> frozenset[str]:
    """What the scopes name: resources and record types, ``*`` for all of them.

    With an ``interaction``, what they name for FHIR's read (``r``) or its search (``s``).
    """
    found = (_SCOPE.fullmatch(scope) for scope in scopes)
    return frozenset(one[1] for one in found if one and (one[2] == "read" or interaction in one[2]))


def allowed(scopes: Iterable[str], types: Iterable[str], interaction: str = "") -> frozenset[str]:
    """Which of the record types the scopes let through, all or by one interaction; every one without scopes."""
    scopes = tuple(scopes)
    if not scopes:
        return frozenset(types)
    named = names(scopes, interaction)
    through = {kind for resource in named for kind in RESOURCES.get(resource, ())} | named
    return frozenset(kind for kind in types if "*" in named or kind in through)


def granted(asked: Iterable[str], held: Iterable[str]) -> tuple[str, ...]:
    """The part of what is asked for that a client holds; a client without scopes of its own holds all.

    A wildcard that is asked for gives what is held, and what is asked for singly passes under a wildcard that is held.
    """
    asked, held = tuple(dict.fromkeys(asked)), tuple(held)
    if not held:
        return tuple(scope for scope in asked if _SCOPE.fullmatch(scope))
    if "*" in names(asked):
        return held
    wide = "*" in names(held)
    return tuple(scope for scope in asked if _SCOPE.fullmatch(scope) and (wide or names([scope]) <= names(held)))
