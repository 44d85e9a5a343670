"""Provenance and AuditEvent over FHIR: where versions came from and who looked. Nothing sealed is opened for either."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from gateway.access.scopes import names
from gateway.flow.clock import iso
from gateway.http.cursor import place_of, place_token
from gateway.http.directory import Principal
from gateway.http.door import Entered
from gateway.http.feed import told
from gateway.http.fhir import link, searchset
from gateway.http.fhir_dates import moment_range, window_of
from gateway.http.fhir_facade import answer, fhir_id, json_wanted, only_these, types_of
from gateway.http.fhir_history import audit_event, origin
from gateway.http.house import House
from gateway.http.reading import Reader
from gateway.http.refusal import HttpRefusal, bad, missing
from gateway.store import audit, journal, reading
from gateway.store.rows import Found
from gateway.wire.fhir import RESOURCE

MOST = 200
LATE = 24 * 3600 * 1_000_000
"""By how much an entry may come later into the log than others of its time, microseconds."""
LAST = 253_402_300_799 * 1_000_000
"""The last second of the year 9999."""
LOOKS = 25
"""Pages of the log looked through for one page of an answer."""
_TARGET = re.compile(r"([A-Z][A-Za-z]{1,39})/([0-9a-f-]{36})(?:/_history/(\d{1,9}))?")
_decode = msgspec.json.Decoder(dict).decode


def origins(house: House) -> APIRouter:
    """``/fhir/Provenance`` and ``/fhir/AuditEvent``."""
    router = APIRouter(prefix="/fhir", tags=["fhir"], dependencies=[Depends(json_wanted)])

    @router.get("/Provenance", summary="Where the versions of a record came from")
    async def provenances(
        request: Request, principal: Entered, target: Annotated[str, Query(max_length=200)]
    ) -> Response:
        only_these(request, ("target",))
        found = _TARGET.fullmatch(target.removeprefix(f"{house.url}/fhir/"))
        if found is None:
            raise bad("A target is a reference", "target", "Write Appointment/<id> or Appointment/<id>/_history/<n>.")
        resource, id, version = found.groups()
        types_of(principal, resource)
        rows = await house.store.read(lambda c: journal.history(c, principal.tenant, fhir_id(id)))
        rows = _visible(house, principal, resource, rows)
        chosen = [row for row in rows if version is None or row.version == int(version)]
        made = [origin(row) for row in chosen]
        bundle = searchset(f"{house.url}/fhir", f"Provenance?{urlencode({'target': target})}", made)
        return answer(bundle, headers=told(request))

    @router.head("/Provenance/{id}", include_in_schema=False)
    @router.get("/Provenance/{id}", summary="Where one version came from")
    async def read(request: Request, principal: Entered, id: Annotated[str, Path(max_length=64)]) -> Response:
        only_these(request, ())
        record, _, version = id.rpartition("-")
        if not version.isascii() or not version.isdigit() or len(version) > 9:
            raise missing()
        row = await house.store.read(lambda c: reading.version(c, principal.tenant, fhir_id(record), int(version)))
        rows = [] if row is None else _visible(house, principal, RESOURCE.get(row.type, ""), [row])
        if not rows:
            raise missing()
        return answer(origin(rows[0]), headers=told(request))

    @router.get("/AuditEvent", summary="The audit log of this client's tenant")
    async def events(
        request: Request, principal: Entered, date: Annotated[list[str] | None, Query(max_length=10)] = None,
        _count: Annotated[int, Query(ge=1)] = 50, _page: Annotated[str, Query(max_length=4096)] = "",
    ) -> Response:  # fmt: skip
        only_these(request, ("date", "_count", "_page"))
        _named(principal)
        dates = date or []
        asked = Asked(*window_of(moment_range(one, "date") for one in dates), min(_count, MOST))
        after = place_of(house.vault, principal.tenant, "audit", _page, "_page") if _page else None
        rows, last = await house.store.read(lambda c: _entries(c, principal.tenant, asked, after))
        await _note(house, principal)
        base, query = f"{house.url}/fhir", [*(("date", one) for one in dates), ("_count", _count)]
        made = [audit_event(row.writer, row.seq, _decode(row.body)) for row in rows]
        bundle = searchset(base, f"AuditEvent?{urlencode(query)}", made)
        if last is not None:
            token = place_token(house.vault, principal.tenant, "audit", last)
            bundle["link"].append(link("next", base, f"AuditEvent?{urlencode([*query, ('_page', token)])}"))
        return answer(bundle, headers=told(request))

    @router.head("/AuditEvent/{id}", include_in_schema=False)
    @router.get("/AuditEvent/{id}", summary="One entry of the audit log")
    async def event(
        request: Request, principal: Entered, id: Annotated[str, Path(pattern=r"^\d{1,12}-\d{1,15}$")]
    ) -> Response:
        only_these(request, ())
        _named(principal)
        writer, seq = map(int, id.split("-"))
        body = await house.store.read(lambda c: audit.body_of(c, principal.tenant, writer, seq))
        if body is None:
            raise missing()
        await _note(house, principal)
        return answer(audit_event(writer, seq, _decode(body)), headers=told(request))

    return router


def _visible(house: House, principal: Principal, resource: str, rows: Sequence[Found]) -> list[Found]:
    reader = Reader(house, principal)
    return [row for row in rows if RESOURCE.get(row.type) == resource and reader.visible(row)]


class Asked(NamedTuple):
    """What is asked of the log: from and before when, microseconds; None leaves an end open."""

    since: int | None
    before: int | None
    most: int


def _entries(connection: Connection, tenant: str, asked: Asked, after: int | None) -> tuple[list[Found], int | None]:
    """The next entries in a span of time, and behind which leaf to go on; None when there are no more.

    Entries are numbered in nearly the order of their times: one may be late by what a process was held up.
    """
    since, before = _text(asked.since, 0), _text(asked.before, 0)
    end = _text(asked.before, LATE)
    if after is None:
        after = _before(connection, tenant, _text(asked.since, -LATE)) if since else -1
    found: list[Found] = []
    for _ in range(LOOKS):
        rows = audit.leaves_after(connection, tenant, after, asked.most)
        for row in rows:
            at, after = _at(row.body), row.leaf
            if end and at >= end:
                return found, None
            if at >= since and (not before or at < before):
                found.append(row)
            if len(found) == asked.most:
                return found, after
        if len(rows) < asked.most:
            return found, None
    return found, after


def _before(connection: Connection, tenant: str, at: str) -> int:
    """The last leaf before a time, found by halving; -1 when there is none."""
    newest = audit.last_leaf(connection, tenant)
    low, high = 0, 0 if newest is None else newest[0] + 1
    while low < high:
        middle = (low + high) // 2
        row = audit.leaf_at(connection, tenant, middle)
        if row is None or _at(row.body) < at:
            low = middle + 1
        else:
            high = middle
    return low - 1


def _at(body: bytes) -> str:
    return str(_decode(body)["at"])


def _text(at: int | None, moved: int) -> str:
    """A time as the log tells it, moved but not out of the years that it can tell; empty where there is none."""
    return "" if at is None else iso(min(max(at + moved, 0), LAST))


def _named(principal: Principal) -> None:
    """The audit log shows who treats whom: only a client whose scopes name it may read it, a wildcard does not."""
    if "AuditEvent" not in names(principal.client.scopes) or "AuditEvent" not in names(principal.scopes):
        raise HttpRefusal(403, "forbidden", "This client's scopes do not name AuditEvent", where="scope")
    if principal.client.locations:
        raise HttpRefusal(403, "forbidden", "The log is of all clinics, and this client sees some only", where="scope")


async def _note(house: House, principal: Principal) -> None:
    """Reading the log is in the log."""
    entry = house.audit.entry(
        principal.tenant, action="read", actor=principal.actor, purpose=principal.client.purpose, outcome="audit-read"
    )

    def unit(connection: Connection) -> None:
        house.audit.append(connection, entry)

    await house.store.write(unit)
