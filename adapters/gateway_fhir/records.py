"""FHIR JSON to typed records: the datatypes, and the one way from bytes to a resource.

Only elements that some mapping may want are typed; decoding skips the rest. An absent element is None or empty: FHIR
knows no JSON null for an element. A resource is a whole state, so what is absent is gone (see ``translate``).
Names are FHIR's own in Python's spelling: ``birth_date`` is ``birthDate``.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw, Struct

from gateway.errors import InvalidContent
from gateway.wire.json_decoder import decoder

TYPES = (
    "Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "Location", "Organization", "Appointment", "Slot",
    "Encounter", "Coverage", "CoverageEligibilityResponse", "ServiceRequest", "CarePlan", "Goal", "EpisodeOfCare",
    "Claim", "ClaimResponse", "ExplanationOfBenefit", "PaymentReconciliation", "Consent",
)  # fmt: skip
"""Resource types that are read, people and places before what refers to them."""
_WHERE = re.compile(r"at `\$\.?([A-Za-z_0-9.\[\]]*)`")
_WORD = re.compile(r"_([a-z])")


@lru_cache(maxsize=1024)
def fhir_name(name: str) -> str:
    """``birth_date`` as FHIR writes it; a trailing underscore keeps Python's own words apart (``class_``)."""
    return _WORD.sub(lambda found: found[1].upper(), name.rstrip("_"))


class Part(Struct, frozen=True, kw_only=True, gc=False, rename=fhir_name):
    """What every datatype and every part of a resource is."""


class Element(Part, frozen=True, kw_only=True, gc=False):
    """A part that may carry extensions."""

    extension: tuple[Extension, ...] = ()


class Coding(Part, frozen=True, kw_only=True, gc=False):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Part, frozen=True, kw_only=True, gc=False):
    coding: tuple[Coding, ...] = ()
    text: str | None = None

    @property
    def words(self) -> str | None:
        """What a person would read: the text, or else the first display, or else the first code."""
        if self.text:
            return self.text
        return next((one.display for one in self.coding if one.display), None) or self.code

    @property
    def code(self) -> str | None:
        """The first code, of whatever system."""
        for one in self.coding:
            if one.code:
                return one.code
        return None


class Period(Part, frozen=True, kw_only=True, gc=False):
    start: str | None = None
    end: str | None = None


class Quantity(Part, frozen=True, kw_only=True, gc=False):
    value: Decimal | None = None
    unit: str | None = None
    code: str | None = None


class Money(Part, frozen=True, kw_only=True, gc=False):
    value: Decimal | None = None
    currency: str | None = None


class Identifier(Element, frozen=True, kw_only=True, gc=False):
    use: str | None = None
    type: CodeableConcept | None = None
    system: str | None = None
    value: str | None = None


class Reference(Part, frozen=True, kw_only=True, gc=False):
    reference: str | None = None
    type: str | None = None
    identifier: Identifier | None = None
    display: str | None = None


class HumanName(Element, frozen=True, kw_only=True, gc=False):
    use: str | None = None
    text: str | None = None
    family: str | None = None
    given: tuple[str | None, ...] = ()
    prefix: tuple[str | None, ...] = ()
    suffix: tuple[str | None, ...] = ()

    @property
    def first(self) -> str | None:
        """The first given name."""
        return self.given[0] if self.given else None

    @property
    def middle(self) -> str | None:
        """The other given names."""
        return " ".join(filter(None, self.given[1:])) or None

    @property
    def written(self) -> str | None:
        """The whole name."""
        return self.text or " ".join(filter(None, (*self.given, self.family))) or None


class ContactPoint(Element, frozen=True, kw_only=True, gc=False):
    system: str | None = None
    value: str | None = None
    use: str | None = None


class Address(Element, frozen=True, kw_only=True, gc=False):
    use: str | None = None
    type: str | None = None
    line: tuple[str | None, ...] = ()
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class Extension(Part, frozen=True, kw_only=True, gc=False):
    """An extension: a value, or extensions of its own; ``value`` is the value where it is a plain one."""

    url: str = ""
    extension: tuple[Extension, ...] = ()
    value_string: str | None = None
    value_code: str | None = None
    value_uri: str | None = None
    value_date: str | None = None
    value_date_time: str | None = None
    value_boolean: bool | None = None
    value_integer: int | None = None
    value_decimal: Decimal | None = None
    value_coding: Coding | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_identifier: Identifier | None = None
    value_reference: Reference | None = None
    value_period: Period | None = None
    value_money: Money | None = None
    value_quantity: Quantity | None = None

    def named(self, ending: str) -> Extension | None:
        """The inner extension whose address ends so."""
        return next((one for one in self.extension if one.url.endswith(ending)), None)


class Meta(Part, frozen=True, kw_only=True, gc=False):
    last_updated: str | None = None
    version_id: str | None = None
    tag: tuple[Coding, ...] = ()


class Resource(Element, frozen=True, kw_only=True, gc=False):
    """What every resource has."""

    resource_type: str
    id: str
    meta: Meta | None = None
    implicit_rules: str | None = None
    modifier_extension: tuple[Extension, ...] = ()
    contained: tuple[Raw, ...] = ()
    identifier: tuple[Identifier, ...] = ()

    @property
    def native_id(self) -> str:
        """The id within the canonical record type; where two resources make one type, the resource's name with it."""
        return self.id

    @property
    def whole(self) -> bool:
        """False when the server says that it left elements out."""
        return self.meta is None or not any(one.code == "SUBSETTED" for one in self.meta.tag)


class Marked(Resource, frozen=True, kw_only=True, gc=False):
    """A resource whose native id carries its type, because another resource makes the same canonical type."""

    @property
    def native_id(self) -> str:
        """The id behind the resource's name."""
        return f"{self.resource_type}/{self.id}"


keys = decoder(dict[str, Raw])


def unreadable(error: Exception) -> InvalidContent:
    """What a decoder found wrong, by place and never by value."""
    found = _WHERE.search(str(error))
    what = "The value is of another type than FHIR R4 says" if found else "The bytes are not a FHIR resource in JSON"
    fix = "Ask the sender to send FHIR R4 JSON; `gateway fhir validate` shows everything that is wrong."
    return InvalidContent("wrong-type" if found else "not-json", what, where=found[1] if found else "$", fix=fix)


def plain(body: bytes) -> dict[str, Any]:
    """A resource as plain values, its decimals exact, for the few that must be rewritten before they are typed."""
    try:
        found: dict[str, Any] = _plain(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unreadable(error) from None
    return found


_plain = decoder(dict[str, Any], float_hook=Decimal)
