"""The FHIR R4 facade: read, vread and search over what a client may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

import gateway
from gateway.http.directory import Principal
from gateway.http.door import Entered
from gateway.http.feed import told
from gateway.http.fhir import shown_resource
from gateway.http.fhir_capability import smart, statement
from gateway.http.fhir_find import Finder
from gateway.http.fhir_index import SearchIndex
from gateway.http.fhir_search import read_search
from gateway.http.house import House
from gateway.http.reading import Reader
from gateway.http.records import record_bytes
from gateway.http.refusal import HttpRefusal, bad, missing
from gateway.model.fhir_places import RESOURCES
from gateway.store import reading
from gateway.store.rows import Found
from gateway.wire.fhir import encode
from gateway.wire.fhir_values import Json

FHIR_JSON = "application/fhir+json"
Resource = Annotated[str, Path(pattern="^[A-Z][A-Za-z]{1,39}$", examples=["Appointment"])]
Id = Annotated[str, Path(pattern="^[A-Za-z0-9.-]{1,64}$")]


def facade(house: House, index: SearchIndex) -> APIRouter:
    """``/fhir``: capabilities, read, vread and search of the resources that show records."""
    router = APIRouter(prefix="/fhir", tags=["fhir"])

    @router.get("/metadata", summary="CapabilityStatement")
    async def metadata() -> Response:
        return answer(statement(house.url, gateway.__version__))

    @router.get("/.well-known/smart-configuration", summary="Where tokens come from")
    async def configuration() -> Response:
        return Response(encode(smart(house.url)), 200, media_type="application/json")

    @router.get("/{resource}", summary="Search")
    async def search(request: Request, principal: Entered, resource: Resource) -> Response:
        return await _search(house, index, request, principal, resource, request.url.query)

    @router.post("/{resource}/_search", summary="Search by a form")
    async def search_form(request: Request, principal: Entered, resource: Resource) -> Response:
        form = (await request.body()).decode("utf-8", "replace")
        return await _search(house, index, request, principal, resource, form)

    @router.get("/{resource}/{id}", summary="Read")
    async def read(request: Request, principal: Entered, resource: Resource, id: Id) -> Response:
        types_of(principal, resource)
        rows = await house.store.read(lambda c: reading.newest(c, principal.tenant, [fhir_id(id)]))
        return await _one(house, request, principal, resource, rows)

    @router.get("/{resource}/{id}/_history/{version}", summary="Read one version")
    async def vread(
        request: Request, principal: Entered, resource: Resource, id: Id, version: Annotated[int, Path(ge=1, lt=2**31)]
    ) -> Response:
        types_of(principal, resource)
        row = await house.store.read(lambda c: reading.version(c, principal.tenant, fhir_id(id), version))
        return await _one(house, request, principal, resource, [] if row is None else [row])

    return router


def answer(body: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A resource as an answer."""
    return Response(encode(body), status, headers, FHIR_JSON)


def fhir_id(text: str) -> bytes:
    """The record behind a resource's id; what can be none of ours is not here."""
    try:
        return record_bytes(text)
    except HttpRefusal:
        raise missing() from None


def types_of(principal: Principal, resource: str) -> list[str]:
    """The record types behind a resource that this client may see; 404 when there are none."""
    found = [kind for kind in RESOURCES.get(resource, ()) if kind in principal.types]
    if not found:
        raise HttpRefusal(
            404 if resource not in RESOURCES else 403, "not-supported" if resource not in RESOURCES else "forbidden",
            "This resource is not served to this client", where=resource,
            fix="See /fhir/metadata, and ask the gateway's operator for the view and scope.",
        )  # fmt: skip
    return found


async def _one(house: House, request: Request, principal: Principal, resource: str, rows: Sequence[Found]) -> Response:
    reader, types = Reader(house, principal), types_of(principal, resource)
    rows = [row for row in rows if row.type in types and reader.visible(row)]
    if rows and rows[0].kind == "removed":
        raise HttpRefusal(410, "deleted", "The record is gone at its source")
    shown = await reader.show(rows, list)
    if not shown:
        raise missing()
    made = shown_resource(shown[0])
    if made is None:
        raise HttpRefusal(500, "damaged", "The record cannot be opened")
    headers = {"ETag": f'W/"{made["meta"]["versionId"]}"', **told(request)}
    return answer(made, headers=headers)


async def _search(
    house: House, index: SearchIndex, request: Request, principal: Principal, resource: str, query: str
) -> Response:
    types = types_of(principal, resource)
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise bad("Too many parameters", "query") from None
    asked = read_search(resource, pairs)
    finder = Finder(house, index, Reader(house, principal), types, asked)
    found, next_ = await finder.page()
    included = await finder.included([made for made, _ in found])
    base = f"{house.url}/fhir"
    kept = [pair for pair in pairs if pair[0] != "_page"]
    links = [{"relation": "self", "url": f"{base}/{resource}?{urlencode(pairs)}"}]
    if next_ is not None:
        links.append({"relation": "next", "url": f"{base}/{resource}?{urlencode([*kept, ('_page', next_)])}"})
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "link": links}
    entries = [(made, "match") for made, _ in found] + [(made, "include") for made in included]
    if entries:
        bundle["entry"] = [
            {
                "fullUrl": f"{base}/{made['resourceType']}/{made['id']}", "resource": made, "search": {"mode": mode},
            }
            for made, mode in entries
        ]  # fmt: skip
    return answer(bundle, headers=told(request))
