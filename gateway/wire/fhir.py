"""A record as the FHIR R4 resource that shows it: which resource that is, and what it says of where it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from gateway.model.fhir_places import RESOURCES
from gateway.wire import fhir_care, fhir_claims, fhir_coverage, fhir_people, fhir_scheduling
from gateway.wire.fhir_carried import carried
from gateway.wire.fhir_values import OURS, Fields, Json

PROJECTIONS: Mapping[str, Callable[[Fields], Json]] = {
    "Patient": fhir_people.patient,
    "Practitioner": fhir_people.practitioner,
    "Location": fhir_people.location,
    "Organization": fhir_people.organization,
    "Payer": fhir_people.payer,
    "Appointment": fhir_scheduling.appointment,
    "Slot": fhir_scheduling.slot,
    "Visit": fhir_scheduling.visit,
    "Referral": fhir_care.referral,
    "EpisodeOfCare": fhir_care.episode,
    "PlanOfCare": fhir_care.plan,
    "Task": fhir_care.task,
    "Coverage": fhir_coverage.coverage,
    "Benefit": fhir_coverage.benefit,
    "Authorization": fhir_coverage.authorization,
    "Claim": fhir_claims.claim,
    "ClaimPayment": fhir_claims.claim_payment,
    "Remittance": fhir_claims.remittance,
}
"""Record type -> how its granted fields become a resource."""
RESOURCE = {kind: resource for resource, kinds in RESOURCES.items() for kind in kinds}
"""Record type -> the resource it is shown as."""

encode = msgspec.json.Encoder(decimal_format="number").encode


def resource(type: str, id: str, version: int, at: str, source: str, fields: Fields) -> Json:
    """A record as its FHIR resource.

    Where the standard wants the day of its making and the record names no time of its own, that is the day on which
    the journal took the version, without a time: so nobody reads it for the source's.

    Args:
        type: the record type, one of :data:`PROJECTIONS`.
        id: the record's id, which is the resource's.
        version: its version, which is the resource's.
        at: when the journal took the version, ISO 8601.
        source: the source's name.
        fields: the granted fields as JSON values.
    """
    meta = {"versionId": str(version), "lastUpdated": at, "source": origin(source)}
    made = {"resourceType": RESOURCE[type], "id": id, "meta": meta, **projected(type, fields)}
    if made.pop("_created", None) is not None:  # clients of other makes refuse a payer's answer without it
        made["created"] = at[:10]
    return made


def projected(type: str, fields: Fields, *, extended: bool = True) -> Json:
    """The elements of a record's resource; ``extended`` with those of ours for what R4 has no element for."""
    made = PROJECTIONS[type](fields)
    if extended and (more := carried(type, fields)):
        made["extension"] = [*made.get("extension", ()), *more]
    return made


def origin(source: str) -> str:
    """Where a record came from, as ``meta.source`` says it."""
    return f"{OURS}source:{source}"
