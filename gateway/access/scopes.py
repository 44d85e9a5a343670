"""Scopes of machine clients, in the form of SMART on FHIR: ``system/Appointment.rs``, ``system/*.read``.

The type is a FHIR resource or a record type of the canonical model; a FHIR resource stands for the record types that
are shown as it. Only reading is granted; a scope that would write is not a scope here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.model.fhir_places import RESOURCES

_SCOPE = re.compile(r"system/(\*|[A-Z][A-Za-z]{1,39})\.(read|rs|r|s)")
_WIDER = re.compile(r"(system/(?:\*|[A-Z][A-Za-z]{1,39})\.)(\*|(?=[cruds])c?r?u?d?s?)")
"""What clients ask for out of habit: with letters that write, or everything, as version 1 of scopes had it."""

OTHERS = ("AuditEvent", "Provenance")
"""Resources made of other things than records."""
BY_NAME = frozenset({"AuditEvent"})
"""What a wildcard does not hold: only a scope that names it."""


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

    A wildcard that is asked for gives what is held, and what is asked for singly passes under a wildcard that is held,
    each for no more than both of them name: read, search, or the two. Of a scope that would also write the reading part
    is granted, as the answer tells. A wildcard does not hold what :data:`BY_NAME` lists.
    """
    asked, held = tuple(dict.fromkeys(map(_reading, asked))), tuple(held)
    if not held:
        return tuple(scope for scope in asked if _SCOPE.fullmatch(scope) and not names([scope]) & BY_NAME)
    every = tuple(scope for scope in asked if "*" in names([scope]))
    given = [_narrowed(scope, every, "*") for scope in held]
    given += [_narrowed(scope, held, "" if names([scope]) & BY_NAME else "*") for scope in asked if scope not in every]
    return tuple(dict.fromkeys(filter(None, given)))


def _narrowed(scope: str, others: Iterable[str], also: str) -> str:
    """A scope with the interactions that others name too, for its type or for ``also``; empty when there are none."""
    found = _SCOPE.fullmatch(scope)
    if found is None:
        return ""
    own = "rs" if found[2] == "read" else found[2]
    kept = "".join(one for one in own if names(others, one) & {found[1], also})
    return scope if kept == own else f"system/{found[1]}.{kept}" if kept else ""


def _reading(scope: str) -> str:
    """The part of a scope that reads; the scope itself where there is none."""
    found = _WIDER.fullmatch(scope)
    if found is None:
        return scope
    letters = "rs" if found[2] == "*" else "".join(one for one in found[2] if one in "rs")
    return f"{found[1]}{letters}" if letters else scope
