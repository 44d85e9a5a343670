"""What a client may say about the form of an answer: how much of each resource, in which order, with which total.

A summary is made of the elements that R4 marks for it, as far as our resources have them, and of those that a resource
must have. What is left out is told by the tag that the standard has for that, so that nobody takes a part for a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from fastapi import Request
from fastapi.responses import Response

from gateway.http.fhir import FHIR_JSON
from gateway.http.refusal import bad
from gateway.wire.fhir import encode
from gateway.wire.fhir_values import TERMS, Json

SUBSETTED: Json = {"system": f"{TERMS}v3-ObservationValue", "code": "SUBSETTED"}
"""The tag of a resource that is not whole."""
ELEMENTS = 50
ALWAYS = frozenset({"resourceType", "id", "meta", "modifierExtension"})
MANDATORY: Mapping[str, frozenset[str]] = {
    name: frozenset(elements.split())
    for name, elements in {
        "Appointment": "status participant",
        "Slot": "schedule status start end",
        "Encounter": "status class",
        "Coverage": "status beneficiary payor",
        "CoverageEligibilityResponse": "status purpose patient created request outcome insurer",
        "ServiceRequest": "status intent subject",
        "CarePlan": "status intent subject",
        "EpisodeOfCare": "status patient",
        "Claim": "status type use patient created provider priority insurance",
        "ClaimResponse": "status type use patient created insurer outcome",
        "ExplanationOfBenefit": "status type use patient created insurer provider outcome insurance",
        "PaymentReconciliation": "status created paymentDate paymentAmount",
        "Task": "status intent",
    }.items()
}
"""Resource -> the elements that R4 wants in every one."""
SUMMARY: Mapping[str, frozenset[str]] = {
    name: frozenset(elements.split())
    for name, elements in {
        "Appointment": "identifier cancelationReason serviceType appointmentType reasonCode start end",
        "Patient": "identifier active name telecom gender birthDate deceasedBoolean deceasedDateTime address link",
        "Practitioner": "identifier active name telecom",
        "Location": "identifier status name type managingOrganization",
        "Organization": "identifier active type name partOf",
        "Slot": "serviceType appointmentType",
        "Encounter": "identifier subject participant appointment episodeOfCare diagnosis",
        "Coverage": "identifier type subscriberId period order",
        "ServiceRequest": "identifier code quantityQuantity occurrencePeriod authoredOn requester locationReference"
        " reasonCode",
        "CarePlan": "identifier period author addresses",
        "EpisodeOfCare": "type diagnosis period",
        "Claim": "insurer",
        "ClaimResponse": "total",
        "ExplanationOfBenefit": "billablePeriod total",
        "PaymentReconciliation": "paymentIssuer",
        "Task": "code description focus for executionPeriod owner location",
    }.items()
}
"""Resource -> the other elements of its summary."""
_NAME = re.compile(r"[a-z][A-Za-z]{0,40}")
_CHOICES = ("DateTime", "Boolean", "Date", "Period", "Quantity", "String", "Reference", "CodeableConcept")
_NONE: frozenset[str] = frozenset()


class Part(NamedTuple):
    """How much of a resource an answer shows; all of it unless something else was asked."""

    summary: bool = False
    elements: frozenset[str] = _NONE

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return not self.summary and not self.elements

    def of(self, made: Json) -> Json:
        """That much of a resource, tagged where it is not the whole."""
        if self.whole:
            return made
        type = made["resourceType"]
        kept = ALWAYS | MANDATORY.get(type, _NONE) | (SUMMARY.get(type, _NONE) if self.summary else self.elements)
        part = {name: value for name, value in made.items() if _stem(name, kept)}
        meta = dict(made.get("meta", {}))
        part["meta"] = meta | {"tag": [*meta.get("tag", ()), SUBSETTED]}
        return part


WHOLE = Part()


def _stem(name: str, kept: frozenset[str]) -> bool:
    """Whether a member is one of these elements, says something about it, or is one form of it: ``deceasedBoolean``."""
    name = name.removeprefix("_")
    return name in kept or any(name.endswith(end) and name.removesuffix(end) in kept for end in _CHOICES)


def summary(name: str, value: str, found: dict[str, Any]) -> None:
    """``_summary``: ``true``, ``data``, ``count`` or ``false``. We write no narrative: data is all."""
    if value not in {"true", "data", "count", "false"}:
        raise bad("This summary is not offered", name, "Offered: true, data, count, false.")
    found["count_only"] = found["count_only"] or value == "count"
    found["part"] = found["part"]._replace(summary=value == "true")


def elements(name: str, value: str, found: dict[str, Any]) -> None:
    """``_elements``: names of elements of the resource itself."""
    names = value.split(",")
    if len(names) > ELEMENTS or not all(map(_NAME.fullmatch, names)):
        raise bad(
            "Elements are told by their names", name, "Write status,start: names of the resource itself, no paths."
        )
    found["part"] = found["part"]._replace(elements=found["part"].elements | frozenset(names))


def total(name: str, value: str, found: dict[str, Any]) -> None:
    """``_total``: ``accurate``, ``estimate`` (which is accurate here) or ``none``."""
    if value not in {"accurate", "estimate", "none"}:
        raise bad("A total is accurate, an estimate, or none", name, "Offered: accurate, estimate, none.")
    found["total"] = value != "none"


def pretty(name: str, value: str, _: dict[str, Any]) -> None:
    """``_pretty``: whether people read the answer; :func:`told_pretty` sees to it."""
    if value not in {"true", "false"}:
        raise bad("An answer is pretty or not", name, "Offered: true, false.")


OF_READ: Mapping[str, Callable[[str, str, dict[str, Any]], None]] = {
    "_summary": summary, "_elements": elements, "_pretty": pretty,
}  # fmt: skip
"""The parameters of a read."""


def part_of(request: Request) -> Part:
    """How much of a resource a read asks for."""
    found: dict[str, Any] = {"part": Part(), "count_only": False}
    for name, value in request.query_params.multi_items():
        if name in OF_READ:
            OF_READ[name](name, value, found)
    if found["count_only"]:
        raise bad("One resource has no count", "_summary", "Offered: true, data, false.")
    part: Part = found["part"]
    return part


def told_pretty(request: Request, body: Json, headers: dict[str, str] | None = None) -> Response:
    """A resource as an answer, in lines and indented where the client wants to read it."""
    content = encode(body)
    if request.query_params.get("_pretty") == "true":
        content = msgspec.json.format(content, indent=2) + b"\n"
    return Response(content, 200, headers, FHIR_JSON)
