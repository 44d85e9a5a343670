"""Where a version came from, and who looked, as FHIR R4 resources; neither holds a value of a patient."""

from __future__ import annotations

from typing import Any

from gateway.audit.balp import FAILED
from gateway.flow.clock import iso
from gateway.flow.places import record_text
from gateway.store.rows import Found
from gateway.wire.fhir import RESOURCE
from gateway.wire.fhir_values import OURS, TERMS, Json, by_code, clean, concept

_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_OPERATIONS = {"created": "CREATE", "removed": "DELETE"}
_ACTIONS = {
    "receive": "C", "normalize": "C", "configure": "U", "client": "U", "release": "U", "deliver": "R", "access": "R",
    "read": "R", "export": "R", "token": "E",
}  # fmt: skip


def provenance(
    resource: str,
    id: str,
    version: int,
    *,
    recorded: str,
    source: str,
    message: int,
    adapter: str,
    mapping: str,
    change: str = "updated",
) -> Json:
    """Provenance of one version: the source's message, the adapter that read it and the mapping that translated it."""
    entities = [
        {"role": "source", "what": by_code(str(message), f"{OURS}message")},
        {"role": "derivation", "what": by_code(mapping, f"{OURS}mapping:sha256")} if mapping else None,
    ]
    return clean(
        {
            "resourceType": "Provenance",
            "id": f"{id}-{version}",
            "target": [{"reference": f"{resource}/{id}/_history/{version}"}],
            "recorded": recorded,
            "activity": concept(_OPERATIONS.get(change, "UPDATE"), f"{TERMS}v3-DataOperation"),
            "agent": [
                {
                    "type": concept("assembler", f"{TERMS}provenance-participant-type"),
                    "who": by_code(adapter, f"{OURS}adapter"),
                },
                {
                    "type": concept("author", f"{TERMS}provenance-participant-type"),
                    "who": by_code(source, f"{OURS}source"),
                },
            ],
            "entity": [one for one in entities if one],
        }
    )


def origin(row: Found) -> Json:
    """The Provenance of one stored version."""
    return provenance(
        RESOURCE[row.type], record_text(row.record_id), row.version, recorded=iso(row.at), source=row.source,
        message=row.message_id, adapter=row.adapter, mapping=row.mapping.hex() if row.mapping else "", change=row.kind,
    )  # fmt: skip


def audit_event(writer: int, seq: int, body: dict[str, Any]) -> Json:
    """AuditEvent of one entry of the audit log."""
    patients = [
        {"what": {"reference": f"Patient/{patient}"}, "type": {"system": f"{TERMS}audit-entity-type", "code": "1"}}
        for patient in body.get("patients", ())
    ]
    return clean(
        {
            "resourceType": "AuditEvent",
            "id": f"{writer}-{seq}",
            "type": {"system": _DICOM, "code": "110112" if _ACTIONS.get(body["action"]) == "R" else "110100"},
            "subtype": [{"system": f"{OURS}action", "code": body["action"]}],
            "action": _ACTIONS.get(body["action"], "E"),
            "recorded": body["at"],
            "outcome": "8" if body["outcome"] in FAILED else "0",
            "outcomeDesc": body["outcome"],
            "purposeOfEvent": [{"text": body["purpose"]}],
            "agent": [{"who": by_code(body["actor"], f"{OURS}actor"), "requestor": True}],
            "source": {"observer": {"display": "gateway"}},
            "entity": patients,
        }
    )
