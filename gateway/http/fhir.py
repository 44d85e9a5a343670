"""What a client may see of a version, as its FHIR resource, and what it is told when there is none."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.flow.clock import iso
from gateway.http.reading import Shown
from gateway.wire.fhir import resource
from gateway.wire.fhir_values import Json

FHIR = "/fhir"
"""Where the facade's addresses begin."""
FHIR_JSON = "application/fhir+json"
_ISSUES = {
    401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported", 406: "not-supported", 408: "timeout",
    410: "deleted", 413: "too-long", 414: "too-long", 415: "not-supported", 429: "throttled", 503: "transient",
}  # fmt: skip
"""Status -> the code of an OperationOutcome's issue."""
_decode = msgspec.json.Decoder(dict).decode


def shown_resource(shown: Shown) -> Json | None:
    """What a client may see of a version, as its resource; None when what is stored is damaged."""
    if shown.projection is None:
        return None
    row = shown.change
    return resource(row.type, shown.id, row.version, iso(row.at), row.source, _decode(shown.projection.body))


def is_damaged(shown: Shown) -> bool:
    """Whether what is stored is not what was sealed; what was shredded is gone on purpose."""
    return shown.projection is None and not shown.shredded


def outcome(severity: str, code: str, words: str, *expression: str) -> Json:
    """An OperationOutcome with one issue: what, and at which paths."""
    issue: Json = {"severity": severity, "code": code, "diagnostics": words}
    if places := [one for one in expression if one]:
        issue["expression"] = places
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def refused_as(status: int, words: str, where: str = "") -> Json:
    """The OperationOutcome of a request that was refused with this status."""
    return outcome("error", _ISSUES.get(status, "exception" if status >= 500 else "invalid"), words, where)


def searchset(base: str, address: str, found: Sequence[Json]) -> Json:
    """A Bundle of everything that a request found.

    Args:
        base: ``https://host/fhir``.
        address: what was asked, from the base on.
        found: the resources.
    """
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "link": [link("self", base, address)]}
    if found:
        bundle["entry"] = [entry(base, one, "match") for one in found]
    return bundle


def link(relation: str, base: str, address: str) -> Json:
    """A link of a Bundle."""
    return {"relation": relation, "url": f"{base}/{address}"}


def entry(base: str, made: Json, mode: str) -> Json:
    """An entry of a Bundle: a match, or what it brought along."""
    return {"fullUrl": f"{base}/{made['resourceType']}/{made['id']}", "resource": made, "search": {"mode": mode}}
