"""Provenance and AuditEvent over FHIR: where versions came from and who looked. Nothing sealed is opened for either."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from gateway.access.scopes import names
from gateway.flow.clock import iso
from gateway.http.cursor import place_of, place_token
from gateway.http.directory import Principal
from gateway.http.door import Entered
from gateway.http.feed import told
from gateway.http.fhir_facade import answer, fhir_id, types_of
from gateway.http.fhir_history import audit_event, provenance
from gateway.http.house import House
from gateway.http.reading import Reader
from gateway.http.refusal import HttpRefusal, bad, missing
from gateway.store import audit, journal, reading
from gateway.store.rows import Found
from gateway.wire.fhir import RESOURCE
from gateway.wire.fhir_values import Json

MOST = 200
_TARGET = re.compile(r"([A-Z][A-Za-z]{1,39})/([0-9a-f-]{36})(?:/_history/(\d{1,9}))?")
_decode = msgspec.json.Decoder(dict).decode


def origins(house: House) -> APIRouter:
    """``/fhir/Provenance`` and ``/fhir/AuditEvent``."""
    router = APIRouter(prefix="/fhir", tags=["fhir"])

    @router.get("/Provenance", summary="Where the versions of a record came from")
    async def provenances(
        request: Request, principal: Entered, target: Annotated[str, Query(max_length=200)]
    ) -> Response:
        found = _TARGET.fullmatch(target)
        if found is None:
            raise bad("A target is a reference", "target", "Write Appointment/<id> or Appointment/<id>/_history/<n>.")
        resource, id, version = found.groups()
        types_of(principal, resource)
        rows = await house.store.read(lambda c: journal.history(c, principal.tenant, fhir_id(id)))
        rows = _visible(house, principal, resource, rows)
        chosen = [row for row in rows if version is None or row.version == int(version)]
        return answer(_bundle(house, [_origin(row) for row in chosen]), headers=told(request))

    @router.get("/Provenance/{id}", summary="Where one version came from")
    async def read(request: Request, principal: Entered, id: Annotated[str, Path(max_length=64)]) -> Response:
        record, _, version = id.rpartition("-")
        if not version.isascii() or not version.isdigit() or len(version) > 9:
            raise missing()
        row = await house.store.read(lambda c: reading.version(c, principal.tenant, fhir_id(record), int(version)))
        rows = [] if row is None else _visible(house, principal, RESOURCE.get(row.type, ""), [row])
        if not rows:
            raise missing()
        return answer(_origin(rows[0]), headers=told(request))

    @router.get("/AuditEvent", summary="The audit log of this client's tenant")
    async def events(
        request: Request, principal: Entered, _count: Annotated[int, Query(ge=1, le=MOST)] = 50,
        _page: Annotated[str, Query(max_length=4096)] = "",
    ) -> Response:  # fmt: skip
        _named(principal)
        after = place_of(house.vault, principal.tenant, "audit", _page) if _page else -1
        rows = await house.store.read(lambda c: audit.leaves_after(c, principal.tenant, after, _count))
        _note(house, principal)
        bundle = _bundle(house, [audit_event(row.writer, row.seq, _decode(row.body)) for row in rows])
        if len(rows) == _count:
            token = place_token(house.vault, principal.tenant, "audit", rows[-1].leaf)
            url = f"{house.url}/fhir/AuditEvent?_count={_count}&_page={token}"
            bundle["link"] = [{"relation": "next", "url": url}]
        return answer(bundle, headers=told(request))

    @router.get("/AuditEvent/{id}", summary="One entry of the audit log")
    async def event(
        request: Request, principal: Entered, id: Annotated[str, Path(pattern=r"^\d{1,12}-\d{1,15}$")]
    ) -> Response:
        _named(principal)
        writer, seq = map(int, id.split("-"))
        body = await house.store.read(lambda c: audit.body_of(c, principal.tenant, writer, seq))
        if body is None:
            raise missing()
        _note(house, principal)
        return answer(audit_event(writer, seq, _decode(body)), headers=told(request))

    return router


def _visible(house: House, principal: Principal, resource: str, rows: Sequence[Found]) -> list[Found]:
    reader = Reader(house, principal)
    return [row for row in rows if RESOURCE.get(row.type) == resource and reader.visible(row)]


def _origin(row: Found) -> Json:
    return provenance(
        RESOURCE[row.type], str(UUID(bytes=row.record_id)), row.version, recorded=iso(row.at), source=row.source,
        message=row.message_id, adapter=row.adapter, mapping=row.mapping.hex() if row.mapping else "",
    )  # fmt: skip


def _bundle(house: House, made: Sequence[Json]) -> Json:
    bundle: Json = {"resourceType": "Bundle", "type": "searchset"}
    if made:
        bundle["entry"] = [
            {"fullUrl": f"{house.url}/fhir/{one['resourceType']}/{one['id']}", "resource": one} for one in made
        ]
    return bundle


def _named(principal: Principal) -> None:
    """The audit log shows who treats whom: only a client whose scopes name it may read it, a wildcard does not."""
    if "AuditEvent" not in names(principal.client.scopes) or "AuditEvent" not in names(principal.scopes):
        raise HttpRefusal(403, "forbidden", "This client's scopes do not name AuditEvent", where="scope")
    if principal.client.locations:
        raise HttpRefusal(403, "forbidden", "The log is of all clinics, and this client sees some only", where="scope")


def _note(house: House, principal: Principal) -> None:
    """Reading the log is in the log."""
    entry = house.audit.entry(
        principal.tenant, action="read", actor=principal.actor, purpose=principal.client.purpose, outcome="audit-read"
    )

    def unit(connection: Connection) -> None:
        house.audit.append(connection, entry)

    house.store.write_sync(unit)
