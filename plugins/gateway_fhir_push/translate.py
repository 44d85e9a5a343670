"""Deliveries to Bundles of writes, and a server's answers to outcomes. Pure.

What a server says in words may quote a patient, so of an OperationOutcome only the issue's code is kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.model.exchange import Delivered, Delivery, Outcome, Rejected, Retry
from gateway.model.fhir_places import OURS, PUSHED_BY
from gateway.wire.fhir import PROJECTIONS, RESOURCE, encode, origin, projected
from gateway.wire.fhir_values import Json

if TYPE_CHECKING:
    from gateway_fhir_push.config import FhirPushConfig

IDENTIFIER = f"{OURS}record"
"""System of the identifier by which our records are found again."""
SETTLES = frozenset({200, 201, 204})
_GONE = frozenset({404, 410})
_PASSING = frozenset(
    {"conflict", "lock-error", "timeout", "throttled", "transient", "incomplete", "exception", "no-store", "not-found"}
)
"""Codes of issues that may pass: what is referred to may still come, and whoever else writes ends."""
_SERIOUS = frozenset({"fatal", "error"})
_CODE = re.compile(r"[a-z][a-z-]{1,30}")
_STATUS = re.compile(r"([1-5]\d\d)(?!\d)")
_PLACE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{2,40}/[A-Za-z0-9.\-]{1,64}(?:/_history/[A-Za-z0-9.\-]{1,64})?)")
_fields = msgspec.json.Decoder(dict[str, Any]).decode


class _Issue(msgspec.Struct, frozen=True):
    severity: str = "error"
    code: str = "unknown"


class _Problem(msgspec.Struct, frozen=True):
    issue: tuple[_Issue, ...] = ()


class Told(msgspec.Struct, frozen=True):
    """What the server says of one write."""

    status: str = ""
    location: str = ""
    outcome: _Problem | None = None


class _Entry(msgspec.Struct, frozen=True):
    response: Told = Told()


class _Answer(msgspec.Struct, frozen=True, rename={"kind": "resourceType"}):
    kind: str = ""
    entry: tuple[_Entry, ...] = ()


_answer = msgspec.json.Decoder(_Answer).decode
_problem = msgspec.json.Decoder(_Problem).decode


def unfit(delivery: Delivery, config: FhirPushConfig) -> Outcome | None:
    """What ends a delivery without a request: no resource shows its type, or nothing is to be done."""
    if delivery.type not in PROJECTIONS:
        return Rejected("type-has-no-resource")
    if delivery.change == "removed" and (config.removed == "keep" or config.write == "create-by-identifier"):
        return Delivered("kept")
    return None


def bundle(deliveries: Sequence[Delivery], config: FhirPushConfig) -> bytes:
    """A Bundle of one write for each delivery, in their order."""
    entries = [_write(one, config) for one in deliveries]
    return encode({"resourceType": "Bundle", "type": config.bundle, "entry": entries})


def _write(delivery: Delivery, config: FhirPushConfig) -> Json:
    type, id = RESOURCE[delivery.type], delivery.record_id
    sought = f"identifier={IDENTIFIER}|{id}"
    by_id = config.write == "by-id"
    place = f"{type}/{id}" if by_id else f"{type}?{sought}"
    if delivery.change == "removed":
        return {"request": {"method": "DELETE", "url": place}}
    made = _resource(delivery, config)
    if by_id:
        full, made = f"{config.base_url}/{type}/{id}", {**made, "id": id}
    else:
        full = f"urn:uuid:{id}"
        made = _by_identifier(made)
        made["identifier"] = [*made.get("identifier", ()), {"system": IDENTIFIER, "value": id}]
    request = {"method": "PUT", "url": place}
    if config.write == "create-by-identifier":
        request = {"method": "POST", "url": type, "ifNoneExist": sought}
    return {"fullUrl": full, "resource": made, "request": request}


def _resource(delivery: Delivery, config: FhirPushConfig) -> Json:
    meta = {"source": origin(delivery.source), "tag": [{"system": PUSHED_BY, "code": config.tag}]}
    made = projected(delivery.type, _fields(delivery.body), extended=config.extensions)
    return {"resourceType": RESOURCE[delivery.type], "meta": meta, **made}


def _by_identifier(value: Any) -> Any:
    """The same with references to our records by their identifier: the server gave them ids that we do not know."""
    if isinstance(value, list):
        return [_by_identifier(one) for one in value]
    if not isinstance(value, dict):
        return value
    text = value.get("reference")
    if isinstance(text, str) and text.count("/") == 1:
        type, _, id = text.partition("/")
        rest = {name: one for name, one in value.items() if name != "reference"}
        return {**rest, "type": type, "identifier": {"system": IDENTIFIER, "value": id}}
    return {name: _by_identifier(one) for name, one in value.items()}


def answers(body: bytes, count: int) -> Sequence[Told] | None:
    """What the server says of each write; None when it does not answer all of them in a Bundle."""
    try:
        found = _answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if found.kind != "Bundle" or len(found.entry) != count:
        return None
    return [one.response for one in found.entry]


def whole(status: int, body: bytes) -> Told:
    """A refusal of the Bundle as a whole, as if it were said of its one write."""
    try:
        problem: _Problem | None = _problem(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = None
    return Told(status=str(status), outcome=problem)


def outcome(delivery: Delivery, told: Told, config: FhirPushConfig) -> Outcome:
    """What an answer means: done, to be tried again, or refused for good."""
    found = _STATUS.match(told.status)
    status = int(found[1]) if found else 0
    if status in SETTLES:
        place = _PLACE.fullmatch(told.location)
        return Delivered(f"{status} {place[1]}" if place else str(status))
    if delivery.change == "removed" and status in _GONE:
        return Delivered(f"{status} gone")
    code = _code(told.outcome)
    if status == 412 and config.write != "by-id":
        return Rejected("identifier-found-twice")
    if status in (409, 412, 429) or status >= 500 or status == 0:
        return Retry(f"status-{status}" if status else "unclear-answer")
    if code in _PASSING:
        return Retry(f"outcome-{code}")
    return Rejected(f"outcome-{code}" if code else f"status-{status}")


def _code(problem: _Problem | None) -> str:
    serious = [one.code for one in problem.issue if one.severity in _SERIOUS] if problem is not None else []
    return next((code for code in serious if _CODE.fullmatch(code)), "")


def rounds(deliveries: Sequence[Delivery], *, together: bool) -> list[list[int]]:
    """Places of the deliveries, cut into Bundles: no record twice in one.

    Writes of a batch may happen in any order, or only some of them, so deliveries of one order go in different ones;
    a transaction (``together``) happens whole, so there they may go in one.
    """
    found: list[list[int]] = []
    held: list[set[str]] = []
    last: dict[str, int] = {}
    for place, one in enumerate(deliveries):
        key = one.record_id if together else one.order
        at = last.get(one.order, 0)
        while at < len(found) and key in held[at]:
            at += 1
        if at == len(found):
            found.append([])
            held.append(set())
        found[at].append(place)
        held[at].add(key)
        last[one.order] = at
    return found
