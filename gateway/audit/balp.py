"""Entries as FHIR R4 AuditEvents by IHE BALP (Basic Audit Log Patterns): one event for each patient concerned.

The log holds no names and no addresses: agents are told by their ids in the gateway, and what was looked at by record
id and version. What left the gateway is a privacy disclosure, whether it was sent or fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.audit.review import Logged

PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
EVENT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
REASONS = {"treatment": "TREAT", "payment": "HPAYMT", "operations": "HOPERAT"}
REST = {"access": "read", "read": "read", "export": "read", "receive": "create", "normalize": "update"}
LETTER = {"read": "R", "create": "C", "update": "U"}
FAILED = {"refused", "failed"}


def audit_events(tenant: str, one: Logged, patients: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Any]]:
    """The events of one entry.

    Args:
        tenant: whose log it is.
        one: the entry.
        patients: the patients it concerns, each with the record versions of theirs that it names.
    """
    for patient in patients or (None,):
        yield _event(tenant, one, patient, [] if patient is None else patients[patient])


def _event(tenant: str, one: Logged, patient: str | None, versions: Sequence[str]) -> dict[str, Any]:
    disclosed = patient is not None and (one.action == "deliver" or bool(one.rows.get("pages")))
    interaction = REST.get(one.action)
    suffix = "" if patient is None else f"-{patient}"
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": f"{one.entry}{suffix}",
        "recorded": one.at,
        "outcome": "8" if one.outcome in FAILED else "0",
        "outcomeDesc": one.outcome,
        "purposeOfEvent": [_purpose(one.purpose)],
        "source": {"observer": _who(tenant, "gateway"), "site": tenant},
        "entity": list(_entities(tenant, one, patient, versions)),
    }
    if disclosed:
        event |= _disclosure(tenant, one)
    elif interaction is not None:
        event |= _rest(tenant, one, interaction, "" if patient is None else "Patient")
    else:
        event |= {
            "type": {"system": DICOM, "code": "110100", "display": "Application Activity"},
            "subtype": [{"system": "urn:emr-gateway:action", "code": one.action}],
            "action": "E",
            "agent": [_agent(tenant, one.actor, "110150", "Application", requestor=True)],
        }
    return event


def _disclosure(tenant: str, one: Logged) -> dict[str, Any]:
    return {
        "meta": {"profile": [PROFILES + "PrivacyDisclosure.Source"]},
        "type": {"system": DICOM, "code": "110106", "display": "Export"},
        "subtype": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle",
                "code": "disclose",
                "display": "Disclose Record Lifecycle Event",
            }
        ],
        "action": "R",
        "agent": [
            _agent(tenant, "gateway", "110153", "Source Role ID", requestor=False),
            _agent(tenant, one.actor, "110152", "Destination Role ID", requestor=True),
        ],
    }


def _rest(tenant: str, one: Logged, interaction: str, patient: str) -> dict[str, Any]:
    """Who reads is the destination of the data, who creates is its source."""
    roles = [("110152", "Destination Role ID"), ("110153", "Source Role ID")]
    client, server = roles if interaction == "read" else roles[::-1]
    return {
        "meta": {"profile": [PROFILES + patient + interaction.capitalize()]},
        "type": {"system": EVENT_TYPE, "code": "rest", "display": "Restful Operation"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": interaction, "display": interaction}],
        "action": LETTER[interaction],
        "agent": [
            _agent(tenant, one.actor, *client, requestor=True),
            _agent(tenant, "gateway", *server, requestor=False),
        ],
    }


def _agent(tenant: str, name: str, code: str, display: str, *, requestor: bool) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": DICOM, "code": code, "display": display}]},
        "who": _who(tenant, name),
        "requestor": requestor,
        "network": {"address": f"urn:emr-gateway:{tenant}:{name}", "type": "5"},  # 5: a URI
    }


def _who(tenant: str, name: str) -> dict[str, Any]:
    return {"identifier": {"system": f"urn:emr-gateway:{tenant}", "value": name}, "display": name}


def _purpose(word: str) -> dict[str, Any]:
    code = REASONS.get(word)
    coded = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": code}]} if code else {}
    return coded | {"text": word}


def _entities(tenant: str, one: Logged, patient: str | None, versions: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The patient, then what was touched: the record versions where they are known, else the entry that names them."""
    if patient is not None:
        yield {
            "what": {"reference": f"Patient/{patient}"},
            "type": {"system": ENTITY_TYPE, "code": "1", "display": "Person"},
            "role": {"system": ROLE, "code": "1", "display": "Patient"},
        }
    named = [("changes", row) for row in versions]
    if patient is None:
        named = [(table, str(row)) for table, ids in one.rows.items() for row in ids]
    for table, row in named or [("audit", str(one.entry))]:
        yield {
            "what": {"identifier": {"system": f"urn:emr-gateway:{tenant}:{table}", "value": row}},
            "type": {"system": ENTITY_TYPE, "code": "2", "display": "System Object"},
            "role": {"system": ROLE, "code": "4", "display": "Domain Resource"},
        }
