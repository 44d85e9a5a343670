"""Bulk Data export: asked for once, described at once, and streamed record by record when a file is fetched.

Nothing is prepared on disk, so no decrypted file can be left behind. Every page of a file passes view, audit and
disclosure as it is streamed; a file fetched again is disclosed again. What cannot be opened is missing from a file and
named in the error file of its type: from what the file noted when it was read to its end, or else by looking itself.
"""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response, StreamingResponse

from gateway.flow.clock import iso, micros
from gateway.http.directory import Principal
from gateway.http.door import Entered
from gateway.http.feed import told
from gateway.http.fhir import outcome
from gateway.http.fhir_asked import NDJSON, Asked, asked_of, posted
from gateway.http.fhir_facade import answer, is_lenient, preferences, types_of
from gateway.http.fhir_files import Files
from gateway.http.fhir_search import place_name
from gateway.http.house import House
from gateway.http.refusal import HttpRefusal, bad, missing
from gateway.store import clients
from gateway.wire.fhir import encode

SETTLE_MICROS = 10 * 1_000_000
"""How far an export's time lies before it was asked for, so that the next one has what was being committed then."""
HOLD_MICROS = 24 * 3600 * 1_000_000
ExportId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Resource = Annotated[str, Path(pattern="^[A-Z][A-Za-z]{1,39}$")]
_decode = msgspec.json.Decoder(Asked).decode
_encode = msgspec.json.Encoder().encode


def export(house: House) -> APIRouter:
    """``/fhir/$export``, ``/fhir/Patient/$export`` and what follows them."""
    router = APIRouter(prefix="/fhir", tags=["fhir"])
    _kick_offs(router, house)
    _files(router, house)

    @router.get("/$export-status/{export}", summary="The manifest of an export")
    async def status(request: Request, principal: Entered, export: ExportId) -> Response:
        row, asked = await _kept(house, principal, export)

        def files(what: str, type: str | None = None) -> list[dict[str, str]]:
            place = f"{house.url}/fhir/$export-{what}/{export}"
            return [{"type": type or name, "url": f"{place}/{name}.ndjson"} for name in asked.types]

        manifest = {
            "transactionTime": iso(row.at - SETTLE_MICROS),
            "request": f"{house.url}{asked.request}",
            "requiresAccessToken": True,
            "output": files("file"),
            "deleted": files("deleted", "Bundle") if asked.since is not None else [],
            "error": files("error", "OperationOutcome"),
        }
        expires = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime((row.at + HOLD_MICROS) / 1e6))
        return Response(encode(manifest), 200, {"Expires": expires, **told(request)}, "application/json")

    @router.delete("/$export-status/{export}", summary="Forget an export", status_code=202)
    async def forget(principal: Entered, export: ExportId) -> Response:
        await _kept(house, principal, export)
        await house.store.write(lambda c: clients.drop_exports(c, principal.tenant, principal.client.id, export, 0))
        return Response(status_code=202)

    return router


def _kick_offs(router: APIRouter, house: House) -> None:
    @router.get("/$export", summary="Ask for a bulk export", status_code=202)
    async def everything(request: Request, principal: Entered) -> Response:
        return await _begin(house, request, principal, request.query_params.multi_items())

    @router.post("/$export", summary="Ask for a bulk export by a Parameters resource", status_code=202)
    async def posted_for_everything(request: Request, principal: Entered) -> Response:
        pairs = [*request.query_params.multi_items(), *posted(await request.body())]
        return await _begin(house, request, principal, pairs)

    @router.get("/Patient/$export", summary="Ask for a bulk export of all patients", status_code=202)
    async def of_patients(request: Request, principal: Entered) -> Response:
        return await _begin(house, request, principal, request.query_params.multi_items(), of_patients=True)

    @router.post("/Patient/$export", summary="The same by a Parameters resource", status_code=202)
    async def posted_for_patients(request: Request, principal: Entered) -> Response:
        pairs = [*request.query_params.multi_items(), *posted(await request.body())]
        return await _begin(house, request, principal, pairs, of_patients=True)

    @router.get("/Group/{group}/$export", include_in_schema=False)
    @router.post("/Group/{group}/$export", include_in_schema=False)
    async def of_a_group(principal: Entered, group: str) -> Response:
        del principal, group  # whoever asks has a key: nobody else is told even this
        raise HttpRefusal(
            404, "not-offered", "There are no groups here: a client's view and clinics are its group", where="Group",
            fix="Ask for /fhir/Patient/$export.",
        )  # fmt: skip


def _files(router: APIRouter, house: House) -> None:
    async def found(principal: Principal, export: str, resource: str) -> tuple[Files, Asked]:
        _, asked = await _kept(house, principal, export)
        if resource not in asked.types:
            raise missing()
        types = types_of(principal.doing("s"), resource)

        async def note(damaged: tuple[str, ...]) -> None:
            await house.store.write(lambda connection: _note(connection, principal, export, resource, damaged))

        return Files(house, principal, asked, resource, types, note), asked

    @router.get("/$export-file/{export}/{resource}.ndjson", summary="One file of an export")
    async def file(request: Request, principal: Entered, export: ExportId, resource: Resource) -> Response:
        files, _ = await found(principal, export, resource)
        return StreamingResponse(files.there(), 200, told(request), NDJSON)

    @router.get("/$export-deleted/{export}/{resource}.ndjson", summary="What is gone since the time an export names")
    async def deleted(request: Request, principal: Entered, export: ExportId, resource: Resource) -> Response:
        files, asked = await found(principal, export, resource)
        if asked.since is None:
            raise missing()
        return StreamingResponse(files.gone(), 200, told(request), NDJSON)

    @router.get("/$export-error/{export}/{resource}.ndjson", summary="What a file of an export lacks")
    async def error(request: Request, principal: Entered, export: ExportId, resource: Resource) -> Response:
        files, _ = await found(principal, export, resource)
        return StreamingResponse(files.lacking(), 200, told(request), NDJSON)


async def _begin(
    house: House, request: Request, principal: Principal, pairs: list[tuple[str, str]], *, of_patients: bool = False
) -> Response:
    """Keep what is asked for; 202 with the address of its manifest."""
    if "respond-async" not in preferences(request):
        raise bad("An export is asynchronous", "Prefer", "Send Prefer: respond-async.")
    principal = principal.doing("s")
    where = str(request.url.replace(netloc="", scheme=""))
    asked, ignored = asked_of(pairs, principal, where, of_patients=of_patients, lenient=is_lenient(request))
    for name in asked.types:
        types_of(principal, name)
    made = secrets.token_hex(16)
    await house.store.write(lambda connection: _keep(connection, principal, made, asked))
    headers = {"Content-Location": f"{house.url}/fhir/$export-status/{made}", **told(request)}
    if not ignored:
        return Response(status_code=202, headers=headers)
    words = "These parameters are not offered, or in part, and that was left out"
    return answer(outcome("warning", "not-supported", words, *dict.fromkeys(map(place_name, ignored))), 202, headers)


def _keep(connection: Any, principal: Principal, made: str, asked: Asked) -> None:
    now = micros()
    clients.drop_exports(connection, principal.tenant, principal.client.id, None, now - HOLD_MICROS)
    row = {
        "tenant": principal.tenant, "export": made, "client": principal.client.id, "request": _encode(asked).decode(),
        "at": now,
    }  # fmt: skip
    clients.add_export(connection, row)


def _note(connection: Any, principal: Principal, export: str, resource: str, damaged: tuple[str, ...]) -> None:
    """Keep what a file lacked, unless the export is gone meanwhile."""
    row = clients.export_of(connection, principal.tenant, principal.client.id, export)
    if row is None:
        return
    asked = _decode(row.request)
    noted = msgspec.structs.replace(asked, damaged=asked.damaged | {resource: damaged})
    clients.change_export(connection, principal.tenant, principal.client.id, export, _encode(noted).decode())


async def _kept(house: House, principal: Principal, export: str) -> tuple[Any, Asked]:
    """This client's own export, while it is held."""
    row = await house.store.read(lambda c: clients.export_of(c, principal.tenant, principal.client.id, export))
    if row is None or row.at < micros() - HOLD_MICROS:
        raise missing("There is no such export")
    return row, _decode(row.request)
