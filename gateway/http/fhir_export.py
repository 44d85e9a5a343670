"""Bulk Data export: asked for once, described at once, and streamed record by record when a file is fetched.

Nothing is prepared on disk, so no decrypted file can be left behind. Every page of a file passes view, audit and
disclosure as it is streamed; a file fetched again is disclosed again.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from gateway.flow.clock import iso, micros
from gateway.http.directory import Principal
from gateway.http.door import Entered
from gateway.http.feed import told
from gateway.http.fhir import shown_resource
from gateway.http.fhir_facade import only_these, types_of
from gateway.http.fhir_search import parse_range
from gateway.http.house import House
from gateway.http.reading import PAGE, Reader, Shown
from gateway.http.refusal import bad, missing
from gateway.model.fhir_places import RESOURCES
from gateway.store import clients, reading
from gateway.store.rows import Found
from gateway.wire.fhir import RESOURCE, encode

SETTLE_MICROS = 10 * 1_000_000
"""How far an export's time lies before it was asked for, so that the next one has what was being committed then."""
HOLD_MICROS = 24 * 3600 * 1_000_000
NDJSON = "application/fhir+ndjson"
ExportId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Answer = Response


def export(house: House) -> APIRouter:
    """``/fhir/$export`` and what follows it."""
    router = APIRouter(prefix="/fhir", tags=["fhir"])

    @router.get("/$export", summary="Ask for a bulk export", status_code=202)
    async def kick_off(
        request: Request, principal: Entered, _type: Annotated[str, Query(max_length=1000)] = "",
        _since: Annotated[str, Query(max_length=40)] = "", _outputFormat: Annotated[str, Query(max_length=60)] = "",  # noqa: N803 - the standard's own name
        prefer: Annotated[str, Header(max_length=200)] = "",
    ) -> Answer:  # fmt: skip
        if "respond-async" not in prefer:
            raise bad("An export is asynchronous", "Prefer", "Send Prefer: respond-async.")
        only_these(request, ("_type", "_since", "_outputFormat"))
        if _outputFormat.replace(" ", "+") not in {"", "ndjson", "application/ndjson", NDJSON}:  # + arrives as a space
            raise bad("Only NDJSON is offered", "_outputFormat", f"Leave it out, or write {NDJSON}.")
        principal = principal.doing("s")
        seen = [name for name in RESOURCES if any(kind in principal.types for kind in RESOURCES[name])]
        types = list(filter(None, _type.split(","))) or seen
        for name in types:
            types_of(principal, name)
        since = parse_range(_since, "_since").start if _since else None
        made = secrets.token_hex(16)
        asked = {"types": types, "since": since, "request": str(request.url.replace(netloc="", scheme=""))}
        await house.store.write(lambda connection: _keep(connection, principal, made, asked))
        where = f"{house.url}/fhir/$export-status/{made}"
        return Response(status_code=202, headers={"Content-Location": where, **told(request)})

    @router.get("/$export-status/{export}", summary="The manifest of an export")
    async def status(request: Request, principal: Entered, export: ExportId) -> Answer:
        row, asked = await _asked(house, principal, export)
        manifest = {
            "transactionTime": iso(row.at - SETTLE_MICROS),
            "request": f"{house.url}{asked['request']}",
            "requiresAccessToken": True,
            "output": [
                {"type": name, "url": f"{house.url}/fhir/$export-file/{export}/{name}.ndjson"}
                for name in asked["types"]
            ],
            "deleted": [
                {"type": "Bundle", "url": f"{house.url}/fhir/$export-deleted/{export}/{name}.ndjson"}
                for name in asked["types"]
                if asked["since"] is not None
            ],
            "error": [],
        }
        expires = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime((row.at + HOLD_MICROS) / 1e6))
        return Response(encode(manifest), 200, {"Expires": expires, **told(request)}, "application/json")

    @router.delete("/$export-status/{export}", summary="Forget an export", status_code=202)
    async def forget(principal: Entered, export: ExportId) -> Answer:
        await _asked(house, principal, export)
        await house.store.write(lambda c: clients.drop_exports(c, principal.tenant, principal.client.id, export, 0))
        return Response(status_code=202)

    @router.get("/$export-file/{export}/{resource}.ndjson", summary="One file of an export")
    async def file(request: Request, principal: Entered, export: ExportId, resource: str) -> Answer:
        _, asked = await _asked(house, principal, export)
        if resource not in asked["types"]:
            raise missing()
        types = types_of(principal.doing("s"), resource)
        wanted = [
            reading.Wanted(kind, locations=tuple(principal.client.locations), since=asked["since"]) for kind in types
        ]
        return StreamingResponse(_lines(house, Reader(house, principal), wanted), 200, told(request), NDJSON)

    @router.get("/$export-deleted/{export}/{resource}.ndjson", summary="What is gone since the time an export names")
    async def deleted(request: Request, principal: Entered, export: ExportId, resource: str) -> Answer:
        _, asked = await _asked(house, principal, export)
        if resource not in asked["types"] or asked["since"] is None:
            raise missing()
        wanted = [
            reading.Wanted(kind, locations=tuple(principal.client.locations), since=asked["since"], removed=True)
            for kind in types_of(principal.doing("s"), resource)
        ]
        lines = _lines(house, Reader(house, principal), wanted)
        return StreamingResponse(lines, 200, told(request), NDJSON)

    return router


def _keep(connection: Any, principal: Principal, made: str, asked: dict[str, Any]) -> None:
    now = micros()
    clients.drop_exports(connection, principal.tenant, principal.client.id, None, now - HOLD_MICROS)
    row = {
        "tenant": principal.tenant, "export": made, "client": principal.client.id, "request": json.dumps(asked),
        "at": now,
    }  # fmt: skip
    clients.add_export(connection, row)


async def _asked(house: House, principal: Principal, export: str) -> tuple[Any, dict[str, Any]]:
    """This client's own export, while it is held."""
    row = await house.store.read(lambda c: clients.export_of(c, principal.tenant, principal.client.id, export))
    if row is None or row.at < micros() - HOLD_MICROS:
        raise missing("There is no such export")
    return row, json.loads(row.request)


async def _lines(house: House, reader: Reader, wanted: list[reading.Wanted]) -> AsyncIterator[bytes]:
    """Resources, or the deletions of them, as NDJSON, a page at a time."""
    tenant = reader.principal.tenant
    for one in wanted:
        place: reading.Place | None = None
        while True:
            rows = await house.store.read(lambda c, o=one, p=place: reading.listed(c, tenant, o, p, PAGE))  # type: ignore[misc]  # the defaults bind what the loop has now
            if one.removed:
                await reader.tell(rows)
                yield _gone(rows)
            else:
                yield await reader.show(rows, _there)
            if len(rows) < PAGE:
                break
            last = rows[-1]
            place = reading.Place(None if last.patient is None else bytes(last.patient), bytes(last.record_id))


def _there(shown: list[Shown]) -> bytes:
    return b"".join(encode(made) + b"\n" for one in shown if (made := shown_resource(one)) is not None)


def _gone(rows: Sequence[Found]) -> bytes:
    """One Bundle for each, with its own time, so that a reader who sees it twice knows it again."""
    return b"".join(
        encode(
            {
                "resourceType": "Bundle",
                "type": "transaction",
                "timestamp": iso(row.at),
                "entry": [
                    {"request": {"method": "DELETE", "url": f"{RESOURCE[row.type]}/{UUID(bytes=row.record_id)}"}}
                ],
            }
        )
        + b"\n"
        for row in rows
    )
