"""The group-wide identity behind the patients of several sources."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant


class PersonLink(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One source's patient that is this person (FHIR Person.link)."""

    patient: RecordId
    """The Patient (Person.link.target)."""
    assurance: Literal["certain", "probable", "possible"]
    """How sure the match is (Person.link.assurance)."""
    rule: str | None = None
    """Name of the matching rule, or ``manual``."""
    decided_by: str | None = None
    """Principal who confirmed it; absent when a rule did."""
    decided_at: Instant | None = None
    """When it was decided."""


class Person(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One human being across all sources of a tenant (FHIR Person)."""

    links: tuple[PersonLink, ...] = ()
    """The patients known to be this person (Person.link)."""
    rejected: tuple[RecordId, ...] = ()
    """Patients that someone decided are not this person, so that no rule links them again."""
    active: bool | None = None
    """False when folded into another person (Person.active)."""


class PersonDecision(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What somebody decided of two patients; the last one of a pair counts (FHIR Linkage)."""

    first: RecordId
    """One Patient (Linkage.item.resource)."""
    second: RecordId
    """The other one."""
    verdict: Literal["same", "different"]
    """One human being, or two whom no rule may link (Linkage.active)."""
    decided_by: str
    """Principal who decided (Linkage.author)."""
    decided_at: Instant
    """When."""
    first_born: date | None = None
    """Birth date of the one when it was decided, by which both are found."""
    second_born: date | None = None
    """That of the other."""
    reason: str | None = None
    """Why, in a few words."""
