"""The FHIR R4 facade: read, vread and search over what a client may see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from sqlalchemy import Connection

import gateway
from gateway.access.scopes import RESOURCES
from gateway.http.cursor import place_of, place_token
from gateway.http.directory import Principal
from gateway.http.door import Entered
from gateway.http.feed import told
from gateway.http.fhir import encode, shown_resource
from gateway.http.fhir_capability import smart, statement
from gateway.http.fhir_search import CANDIDATES, Search, read_search, references
from gateway.http.fhir_values import Json
from gateway.http.house import House
from gateway.http.reading import Reader, Shown
from gateway.http.records import patient_of, record_bytes
from gateway.http.refusal import HttpRefusal, bad, missing
from gateway.store import reading
from gateway.store.rows import Found

FHIR_JSON = "application/fhir+json"
INCLUDED = 500
Resource = Annotated[str, Path(pattern="^[A-Z][A-Za-z]{1,39}$", examples=["Appointment"])]
Id = Annotated[str, Path(pattern="^[A-Za-z0-9.-]{1,64}$")]


def facade(house: House) -> APIRouter:
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
        return await _search(house, request, principal, resource, request.url.query)

    @router.post("/{resource}/_search", summary="Search by a form")
    async def search_form(request: Request, principal: Entered, resource: Resource) -> Response:
        form = (await request.body()).decode("utf-8", "replace")
        return await _search(house, request, principal, resource, form)

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
    shown = await asyncio.to_thread(reader.show, rows)
    if not shown:
        raise missing()
    made = shown_resource(shown[0])
    if made is None:
        raise HttpRefusal(500, "damaged", "The record cannot be opened")
    headers = {"ETag": f'W/"{made["meta"]["versionId"]}"', **told(request)}
    return answer(made, headers=headers)


async def _search(house: House, request: Request, principal: Principal, resource: str, query: str) -> Response:
    types = types_of(principal, resource)
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise bad("Too many parameters", "query") from None
    asked = read_search(resource, pairs)
    finder = Finder(house, Reader(house, principal), types, asked)
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


class Finder:
    """Finds one page of a search."""

    def __init__(self, house: House, reader: Reader, types: Sequence[str], asked: Search) -> None:
        self._house = house
        self._reader = reader
        self._types = types
        self._asked = asked
        self._tenant = reader.principal.tenant

    async def page(self) -> tuple[list[tuple[Json, Found]], str | None]:
        """Resources that match, and the token of the next page."""
        asked = self._asked
        at, place = self._place()
        left = CANDIDATES if asked.by_content else asked.count
        found: list[tuple[Json, Found]] = []
        while left > 0 and at < len(self._types) and len(found) < asked.count:
            most = min(left, max(asked.count - len(found), 1) * (4 if asked.by_content else 1))
            rows = await self._house.store.read(self._reading(self._types[at], place, most))
            left -= len(rows)
            matched = await asyncio.to_thread(self._shown, rows, asked.count - len(found))
            found += matched
            if len(found) == asked.count and asked.by_content and matched:
                place = _after(matched[-1][1])  # what matched beyond the page is found again on the next one
            elif len(rows) == most:
                place = _after(rows[-1])
            else:
                at, place = at + 1, None
        if at >= len(self._types):
            return found, None
        where = None if place is None else [None if place.patient is None else place.patient.hex(), place.record.hex()]
        return found, place_token(self._house.vault, self._tenant, self._kind, [at, where])

    @property
    def _kind(self) -> str:
        return f"fhir/{self._reader.principal.client.id}/{self._asked.resource}"

    def _place(self) -> tuple[int, reading.Place | None]:
        if not self._asked.page:
            return 0, None
        at, where = place_of(self._house.vault, self._tenant, self._kind, self._asked.page)
        if where is None:
            return at, None
        patient, record = where
        return at, reading.Place(None if patient is None else bytes.fromhex(patient), bytes.fromhex(record))

    def _reading(self, type: str, place: reading.Place | None, most: int) -> Callable[[Connection], Sequence[Found]]:
        principal, asked = self._reader.principal, self._asked
        patient = None if asked.patient is None else patient_of(principal, type, asked.patient)
        ids = [_known(one) for one in asked.ids]
        since, before = asked.window()
        wanted = reading.Wanted(type, patient, ids, None, tuple(principal.client.locations), since, before)
        return lambda connection: reading.listed(connection, self._tenant, wanted, place, most)

    def _shown(self, rows: Sequence[Found], most: int) -> list[tuple[Json, Found]]:
        """What of these rows the client gets: all of them, or what matches, at most ``most``."""
        if not self._asked.by_content:
            return _made(self._reader.show(rows))
        taken = 0

        def matches(one: Shown) -> bool:
            nonlocal taken
            made = shown_resource(one)
            if taken >= most or made is None or not self._asked.matches(made):
                return False
            taken += 1
            return True

        return _made(self._reader.search(rows, matches))

    async def included(self, found: Iterable[Json]) -> list[Json]:
        """What the matches refer to, where it was asked for and the client may see it."""
        if not self._asked.includes:
            return []
        found = list(found)
        named = {id for made in found for _, id in references(made, self._asked.includes)} - {
            one["id"] for one in found
        }
        ids = [_known(id) for id in sorted(named)[:INCLUDED]]
        rows = await self._house.store.read(lambda connection: reading.newest(connection, self._tenant, ids))
        rows = [row for row in rows if row.kind != "removed" and self._reader.visible(row)]
        return [made for made, _ in await asyncio.to_thread(lambda: _made(self._reader.show(rows)))]


def _made(shown: Sequence[Shown]) -> list[tuple[Json, Found]]:
    return [(made, one.change) for one in shown if (made := shown_resource(one)) is not None]


def _after(row: Found) -> reading.Place:
    return reading.Place(None if row.patient is None else bytes(row.patient), bytes(row.record_id))


def _known(id: str) -> bytes:
    """A record id of a search; what can be none of ours matches nothing."""
    try:
        return record_bytes(id, "_id")
    except HttpRefusal:
        return b""
