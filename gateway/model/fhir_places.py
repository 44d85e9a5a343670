"""Where FHIR R4 has a place for a field of a record, and how the rest travels between two gateways.

A field of :data:`HELD` stands in an element of its resource, from which the same value is read back. Every other field
travels in an extension of our own, ``urn:emr-gateway:`` and the field's name: so a field that is added to a type later
is never lost on the way. :data:`LOST` lists what travels in neither, with the reason.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec

from gateway.model.identity import RecordId
from gateway.model.values import Instant, Money

OURS = "urn:emr-gateway:"
"""What the addresses of our own extensions begin with."""
PUSHED_BY = f"{OURS}pushed-by"
"""System of the tag on what a gateway wrote into a server, by which its own sources leave that alone."""
PUSHED = "emr-gateway"
"""Code of that tag, unless settings name another."""

RESOURCES: Mapping[str, tuple[str, ...]] = {
    "Appointment": ("Appointment",),
    "Patient": ("Patient",),
    "Practitioner": ("Practitioner",),
    "Location": ("Location",),
    "Organization": ("Organization", "Payer"),
    "Slot": ("Slot",),
    "Encounter": ("Visit",),
    "Coverage": ("Coverage",),
    "CoverageEligibilityResponse": ("Benefit",),
    "ServiceRequest": ("Referral",),
    "CarePlan": ("PlanOfCare",),
    "EpisodeOfCare": ("EpisodeOfCare",),
    "Claim": ("Claim",),
    "ClaimResponse": ("Authorization",),
    "ExplanationOfBenefit": ("ClaimPayment",),
    "PaymentReconciliation": ("Remittance",),
    "Task": ("Task",),
}
"""FHIR resource -> the record types shown as it."""

_KNOWN = "name contacts active"
HELD: Mapping[str, frozenset[str]] = {
    type: frozenset(names.split())
    for type, names in {
        "Patient": f"{_KNOWN} identifiers birth_date sex addresses practitioner deceased_at merged_into"
        " emergency_name emergency_phone",
        "Practitioner": f"{_KNOWN} npi taxonomy",
        "Location": f"{_KNOWN} npi address zone organization",
        "Organization": f"{_KNOWN} npi tax_id addresses part_of",
        "Payer": f"{_KNOWN} address",
        "Appointment": "start end status minutes reason patient practitioner location created_at",
        "Slot": "start end status",
        "Visit": "start end patient location appointment episode minutes",
        "Referral": "patient number referrer location diagnoses visits signed_on expires_on",
        "EpisodeOfCare": "patient status title practitioner referral started_on discharged_on",
        "PlanOfCare": "patient episode practitioner certifier certified_from certified_to frequency",
        "Coverage": "patient payer member_id group_number plan_name priority relationship starts_on ends_on active",
        "Benefit": "patient coverage active checked_at",
        "Authorization": "patient payer coverage number starts_on ends_on",
        "Claim": "control_number patient payer coverage billing_npi payer_claim_number authorization_number diagnoses"
        " submitted_at",
        "ClaimPayment": "patient claim charge paid authorization_number starts_on ends_on",
        "Remittance": "amount trace_number payment_date payer",
    }.items()
}
"""Record type -> the fields that an element of the resource holds exactly."""

LOST: Mapping[tuple[str, str], str] = {
    ("Patient", "birth_date_as_sent"): "an incomplete date is read anew from birthDate by whoever keeps one",
    ("Referral", "referral_source"): "a ReferralSource is shown as no FHIR resource, so nothing can refer to it",
}
"""(Record type, field) -> why it does not travel."""

REFERS: Mapping[str, str] = {
    "patient": "Patient", "merged_into": "Patient", "practitioner": "Practitioner", "supervisor": "Practitioner",
    "certifier": "Practitioner", "referrer": "Practitioner", "location": "Location", "locations": "Location",
    "organization": "Organization", "part_of": "Organization", "payer": "Payer", "coverage": "Coverage",
    "appointment": "Appointment", "episode": "EpisodeOfCare", "referral": "Referral",
    "authorization": "Authorization", "claim": "Claim", "remittance": "Remittance", "corrects": "ClaimPayment",
    "visits": "Visit",
}  # fmt: skip
"""Field -> the record type it refers to, in every record type that is shown as a resource."""


class Shape(NamedTuple):
    """How a field is written as an extension."""

    many: bool
    """Whether it repeats."""
    kind: str
    """``String`` of ``valueString`` and so on; empty for an object."""
    parts: type[msgspec.Struct] | None
    """The object's type."""


_KINDS: tuple[tuple[Any, str], ...] = (
    (Money, "Money"), (Instant, "DateTime"), (RecordId, "Reference"), (bool, "Boolean"), (int, "Integer"),
    (date, "Date"), (Decimal, "Decimal"),
)  # fmt: skip


@lru_cache(maxsize=256)
def shapes(cls: type[msgspec.Struct]) -> Mapping[str, Shape]:
    """The shape of each field of a record type or of an object in it."""
    return {field.name: _shape(field.type) for field in msgspec.structs.fields(cls)}


def _shape(kind: Any) -> Shape:
    if get_origin(kind) is types.UnionType or type(None) in get_args(kind):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is tuple:
        return _shape(get_args(kind)[0])._replace(many=True)
    if get_origin(kind) is Literal:
        return Shape(many=False, kind="Code", parts=None)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return Shape(many=False, kind="", parts=kind)
    return Shape(many=False, kind=next((name for of, name in _KINDS if kind == of), "String"), parts=None)


def slug(field: str) -> str:
    """A field's name as it stands in an address: ``discharge-reason``."""
    return field.replace("_", "-")
