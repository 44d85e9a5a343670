"""Bundles and single resources cut into messages: one resource or one deletion each.

A Bundle is held whole; its readers limit its size. What cannot be read becomes a finding, and the rest goes on.
"""

from __future__ import annotations

import hashlib
import re

import msgspec
from msgspec import Raw, Struct

from gateway.model.exchange import Finding, Item
from gateway.wire.json_decoder import decoder
from gateway_fhir.records import TYPES, Meta, Part, Reference
from gateway_fhir.records_reference import target

DELETED = "deleted"
_DELETE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{2,40})/([A-Za-z0-9.\-]{1,64})\Z")
_FIRST = re.compile(rb'\s*\{\s*"resourceType"\s*:\s*"([A-Za-z]{2,40})"')
_NO_RECORD = frozenset({"Parameters", "Bundle", "SubscriptionStatus"})
_SERIOUS = frozenset({"fatal", "error"})
_CODE = re.compile(r"[a-z][a-z-]{1,30}\Z")
_PLACE = re.compile(r"[A-Za-z][A-Za-z0-9.\[\]]{0,120}\Z")


class _Actor(Part, frozen=True, kw_only=True, gc=False):
    actor: Reference | None = None


class _Head(Part, frozen=True, kw_only=True, gc=False):
    resource_type: str
    id: str
    meta: Meta | None = None
    patient: Reference | None = None
    subject: Reference | None = None
    beneficiary: Reference | None = None
    participant: tuple[_Actor, ...] = ()


class _Type(Part, frozen=True, kw_only=True, gc=False):
    resource_type: str


class _Request(Part, frozen=True, kw_only=True, gc=False):
    method: str = ""
    url: str = ""


class _Response(Part, frozen=True, kw_only=True, gc=False):
    last_modified: str = ""


class _Entry(Part, frozen=True, kw_only=True, gc=False):
    full_url: str | None = None
    resource: Raw = Raw(b"")
    request: _Request | None = None
    response: _Response | None = None


class _Link(Part, frozen=True, kw_only=True, gc=False):
    relation: str = ""
    url: str = ""


class Bundle(Part, frozen=True, kw_only=True, gc=False):
    """A Bundle whose resources are still bytes."""

    type: str = ""
    timestamp: str = ""
    total: int | None = None
    link: tuple[_Link, ...] = ()
    entry: tuple[_Entry, ...] = ()

    @property
    def next(self) -> str | None:
        """Where the next page is."""
        return next((one.url for one in self.link if one.relation == "next"), None)


class Issue(Part, frozen=True, kw_only=True, gc=False):
    """One issue of an OperationOutcome; its texts may quote a patient and are not read."""

    severity: str = "error"
    code: str = "unknown"
    expression: tuple[str, ...] = ()
    location: tuple[str, ...] = ()

    def finding(self, where: str = "") -> Finding:
        """The issue without values: what kind it is, and at which element."""
        code = self.code if _CODE.match(self.code) else "unknown"
        named = (one.partition(".where(")[0] for one in (*self.expression, *self.location))  # which one is a value
        place = next(filter(_PLACE.match, named), where)
        fix = "Look the code up in the FHIR issue-type list and ask the server's operator."
        what = f"The server reports an issue of type {code}"
        return Finding(reason=f"outcome-{code}", what=what, where=place or where, fix=fix)


class Outcome(Part, frozen=True, kw_only=True, gc=False):
    """An OperationOutcome."""

    issue: tuple[Issue, ...] = ()

    def findings(self, where: str = "") -> list[Finding]:
        """Its errors; warnings and information are not kept."""
        return [one.finding(where) for one in self.issue if one.severity in _SERIOUS]


class Cut(Struct, frozen=True):
    """What a Bundle holds."""

    bundle: Bundle
    items: list[Item]
    findings: list[Finding]


_head = decoder(_Head)
_bundle = decoder(Bundle)
outcome = decoder(Outcome)
_type = decoder(_Type)


def resource_type(body: bytes) -> str:
    """``resourceType`` of a body; raises ``msgspec.DecodeError`` when it has none."""
    begin = _FIRST.match(body)
    if begin is not None:  # where nearly every server writes it
        return begin[1].decode("ascii")
    found: str = _type(body).resource_type
    return found


def item(body: bytes, *, context: bytes = b"", offset: int = 0) -> Item:
    """The message of one resource; a patient's id never becomes a control id. Raises ``msgspec.DecodeError``."""
    head = _head(body)
    meta = head.meta
    version = meta.last_updated or meta.version_id if meta else None
    if head.resource_type == "Patient" or version is None:
        digest = hashlib.blake2b(body, digest_size=8).hexdigest()
        shown = digest if head.resource_type == "Patient" else head.id
        control = f"{head.resource_type}/{shown}:{version or digest}"
    else:
        control = f"{head.resource_type}/{head.id}:{version}"
    return Item(
        body=body, kind=head.resource_type, control_id=control, order_key=_patient(head), context=context, offset=offset
    )


def _patient(head: _Head) -> str | None:
    """The patient a resource is about."""
    if head.resource_type == "Patient":
        return head.id
    for one in (head.patient, head.subject, head.beneficiary, *(each.actor for each in head.participant)):
        found = None if one is None else target(one)
        if found is not None and found[0] in ("Patient", None):
            return found[1]
    return None


def deletion(url: str, body: bytes, when: str) -> Item | None:
    """The message of one deletion; None when the address names no resource that is read.

    ``when`` tells it from an earlier deletion of the same resource, which may have come back in between.
    """
    found = _DELETE.match(url)
    if found is None or found[1] not in TYPES:
        return None
    type, id = found.groups()
    shown = hashlib.blake2b(body, digest_size=8).hexdigest()
    return Item(
        body=body,
        kind=f"{type} {DELETED}",
        control_id=f"{type}/{shown}:{DELETED} {when}",
        order_key=id if type == "Patient" else None,
        context=f"{DELETED} {type}/{id}".encode(),
    )


def cut_bundle(body: bytes, where: str = "entry", when: str = "") -> Cut:
    """Every resource and deletion of a Bundle; raises ``msgspec.DecodeError`` when it is cut or no Bundle.

    ``when`` is the time of deletions that do not tell their own.
    """
    bundle = _bundle(body)
    context = _context(bundle)
    items: list[Item] = []
    findings: list[Finding] = []
    for number, entry in enumerate(bundle.entry):
        place = f"{where}[{number}]"
        raw = bytes(entry.resource)
        if entry.request is not None and entry.request.method == "DELETE":
            told = entry.response.last_modified if entry.response else ""
            at = told or bundle.timestamp or when
            gone = deletion(entry.request.url, raw or entry.request.url.encode(), at)
            if gone is not None:
                items.append(gone)
        elif raw:
            _add(raw, context, place, items, findings)
    return Cut(bundle, items, findings)


def _add(raw: bytes, context: bytes, place: str, items: list[Item], findings: list[Finding]) -> None:
    try:
        kind = resource_type(raw)
        if kind == "OperationOutcome":
            findings.extend(outcome(raw).findings(place))
        elif kind not in _NO_RECORD:
            items.append(item(raw, context=context))
    except (msgspec.DecodeError, UnicodeDecodeError):
        what = "An entry is no resource with resourceType and id"
        findings.append(Finding(reason="unreadable-resource", what=what, where=place, body=raw))


def _context(bundle: Bundle) -> bytes:
    """``Type/id`` of entries that others refer to by ``urn:uuid``; empty when there are none."""
    named: dict[str, str] = {}
    for entry in bundle.entry:
        if entry.full_url and entry.full_url.startswith("urn:") and bytes(entry.resource):
            try:
                head = _head(bytes(entry.resource))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            named[entry.full_url] = f"{head.resource_type}/{head.id}"
    return msgspec.json.encode(named, order="sorted") if named else b""
