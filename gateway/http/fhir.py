"""What a client may see of a version, as its FHIR resource, and what it is told when there is none."""

from __future__ import annotations

import msgspec

from gateway.flow.clock import iso
from gateway.http.reading import Shown
from gateway.wire.fhir import resource
from gateway.wire.fhir_values import Json

_decode = msgspec.json.Decoder(dict).decode


def shown_resource(shown: Shown) -> Json | None:
    """What a client may see of a version, as its resource; None when what is stored is damaged."""
    if shown.projection is None:
        return None
    row = shown.change
    return resource(row.type, shown.id, row.version, iso(row.at), row.source, _decode(shown.projection.body))


def outcome(severity: str, code: str, words: str, expression: str = "") -> Json:
    """An OperationOutcome with one issue: what, and at which path."""
    issue: Json = {"severity": severity, "code": code, "diagnostics": words}
    if expression:
        issue["expression"] = [expression]
    return {"resourceType": "OperationOutcome", "issue": [issue]}
