"""The FHIR R4 facade: read, vread and search over what a client may see."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

import gateway
from gateway.http.directory import Principal
from gateway.http.door import Entered
from gateway.http.feed import told
from gateway.http.fhir import FHIR_JSON, entry, link, outcome, shown_resource
from gateway.http.fhir_capability import smart, statement
from gateway.http.fhir_find import Finder, Match
from gateway.http.fhir_history import origin
from gateway.http.fhir_index import SearchIndex
from gateway.http.fhir_results import OF_READ, part_of, told_pretty
from gateway.http.fhir_search import JSON_TYPES, Search, check_format, place_name, read_search
from gateway.http.fhir_sorted import GATHERED, Counting, Sorted
from gateway.http.house import House
from gateway.http.reading import Reader
from gateway.http.records import record_bytes
from gateway.http.refusal import HttpRefusal, bad, missing
from gateway.model.fhir_places import RESOURCES
from gateway.store import reading
from gateway.store.rows import Found
from gateway.wire.fhir import encode
from gateway.wire.fhir_values import Json

Resource = Annotated[str, Path(pattern="^[A-Z][A-Za-z]{1,39}$", examples=["Appointment"])]
Id = Annotated[str, Path(pattern="^[A-Za-z0-9.-]{1,64}$")]
FORM = "application/x-www-form-urlencoded"


def facade(house: House, index: SearchIndex) -> APIRouter:
    """``/fhir``: capabilities, read, vread and search of the resources that show records."""
    router = APIRouter(prefix="/fhir", tags=["fhir"], dependencies=[Depends(json_wanted)])

    @router.head("/metadata", include_in_schema=False)
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
        if request.headers.get("content-type", FORM).partition(";")[0].strip().lower() != FORM:
            raise HttpRefusal(
                415, "not-a-form", "A search is posted as a form", where="Content-Type", fix=f"Send it as {FORM}."
            )
        form = (await request.body()).decode("utf-8", "replace")
        query = "&".join(filter(None, (request.url.query, form)))
        return await _search(house, index, request, principal, resource, query)

    @router.head("/{resource}/{id}", include_in_schema=False)
    @router.get("/{resource}/{id}", summary="Read")
    async def read(request: Request, principal: Entered, resource: Resource, id: Id) -> Response:
        types_of(principal.doing("r"), resource)
        only_these(request, OF_READ)
        rows = await house.store.read(lambda c: reading.newest(c, principal.tenant, [fhir_id(id)]))
        return await _one(house, request, principal, resource, rows)

    @router.head("/{resource}/{id}/_history/{version}", include_in_schema=False)
    @router.get("/{resource}/{id}/_history/{version}", summary="Read one version")
    async def vread(
        request: Request, principal: Entered, resource: Resource, id: Id, version: Annotated[int, Path(ge=1, lt=2**31)]
    ) -> Response:
        types_of(principal.doing("r"), resource)
        only_these(request, OF_READ)
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


def json_wanted(request: Request) -> None:
    """Refuse who can read no JSON: ``_format`` says so, or else Accept."""
    asked = request.query_params.get("_format")
    if asked is not None:
        check_format(asked, "_format")
        return
    if not any(map(_is_ours, request.headers.get("accept", "").lower().split(","))):
        raise HttpRefusal(
            406, "not-acceptable", "Only JSON of R4 is offered", where="Accept", fix=f"Accept {FHIR_JSON}, or anything."
        )


def _is_ours(wanted: str) -> bool:
    """Whether one of the forms that a client takes is JSON, of R4 where it names a version, and not refused by it."""
    form, *parts = (part.strip() for part in wanted.split(";"))
    told = dict(part.replace('"', "").partition("=")[::2] for part in parts)
    offered = form in {*JSON_TYPES, "*/*", "application/*", ""}
    return offered and told.get("fhirversion", "4.0") == "4.0" and not re.fullmatch(r"0(\.0*)?", told.get("q", "1"))


def is_lenient(request: Request) -> bool:
    """Whether the client can do without what is not offered: ``Prefer: handling=lenient``."""
    return "handling=lenient" in preferences(request)


def preferences(request: Request) -> set[str]:
    """What the client would like, from one ``Prefer`` header or from several."""
    told = ",".join(request.headers.getlist("prefer"))
    return {one.strip().replace(" ", "").lower() for one in re.split("[,;]", told)}


def only_these(request: Request, offered: Iterable[str]) -> None:
    """Refuse parameters that would be passed over in silence, unless the client said that it can do without them."""
    unknown = [name for name in request.query_params if name not in {*offered, "_format"}]
    if unknown and not is_lenient(request):
        fix = f"Offered: {', '.join(sorted(offered))}; or send Prefer: handling=lenient."
        raise bad("This parameter is not offered", place_name(unknown[0]), fix)


async def _one(house: House, request: Request, principal: Principal, resource: str, rows: Sequence[Found]) -> Response:
    principal, part = principal.doing("r"), part_of(request)
    reader, types = Reader(house, principal), types_of(principal, resource)
    rows = [row for row in rows if row.type in types and reader.visible(row)]
    if rows and rows[0].kind == "removed":
        raise HttpRefusal(410, "deleted", "The record is gone at its source")
    headers = _version_headers(rows[0]) if rows else {}
    if rows and part.whole and _has(request, headers["ETag"]):
        await reader.tell(rows)
        return Response(status_code=304, headers={**headers, **told(request)})
    shown = await reader.show(rows, list)
    if not shown:
        raise missing()
    made = shown_resource(shown[0])
    if made is None:
        raise HttpRefusal(500, "damaged", "The record cannot be opened")
    return told_pretty(request, part.of(made), {**headers, **told(request)})


def _version_headers(row: Found) -> dict[str, str]:
    return {"ETag": f'W/"{row.version}"', "Last-Modified": formatdate(row.at / 1e6, usegmt=True)}


def _has(request: Request, tag: str) -> bool:
    """Whether the client holds this version: then it is told so and nothing is opened."""
    held = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    return tag in held or tag.removeprefix("W/") in held


async def _search(
    house: House, index: SearchIndex, request: Request, principal: Principal, resource: str, query: str
) -> Response:
    principal = principal.doing("s")
    types = types_of(principal, resource)
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise bad("Too many parameters", "query") from None
    base = f"{house.url}/fhir"
    asked = read_search(resource, pairs, base=base, lenient=is_lenient(request))
    finder = (Sorted if asked.sort else Counting)(house, index, Reader(house, principal), types, asked)
    used = [pair for pair in pairs if pair[0] not in asked.ignored]
    links = [link("self", base, f"{resource}?{urlencode(used)}".removesuffix("?"))]
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "link": links}
    entries: list[Json] = []
    if asked.count_only:
        bundle["total"] = await _counted(finder)
    else:
        found, next_ = await finder.page()
        if next_ is not None:
            kept = [pair for pair in used if pair[0] != "_page"]
            links.append(link("next", base, f"{resource}?{urlencode([*kept, ('_page', next_)])}"))
        total = await _total(finder, asked, len(found), whole=next_ is None)
        bundle |= {} if total is None else {"total": total}
        entries += await _entries(base, finder, asked, found)
        if asked.total and total is None:
            words = "More would have to be opened to know the total; narrow the search"
            entries.append(_told(outcome("warning", "too-costly", words, "_total")))
    if finder.damaged:
        words = f"{finder.damaged} records that may belong here are damaged and cannot be opened"
        entries.append(_told(outcome("warning", "incomplete", words)))
    if asked.ignored:
        words = "These parameters are not offered and were left out"
        places = dict.fromkeys(map(place_name, asked.ignored))
        entries.append(_told(outcome("warning", "not-supported", words, *places)))
    if entries:
        bundle["entry"] = entries
    return told_pretty(request, bundle, told(request))


async def _entries(base: str, finder: Finder, asked: Search, found: Sequence[Match]) -> list[Json]:
    """The matches, what they refer to, and where they came from."""
    included = await finder.included([made for made, _ in found])
    brief = asked.part._replace(elements=frozenset())  # the elements that were named are those of the matches
    return [
        *(entry(base, asked.part.of(made), "match") for made, _ in found),
        *(entry(base, brief.of(made), "include") for made in included),
        *(entry(base, origin(row), "include") for _, row in found if asked.origins),
    ]


async def _counted(finder: Counting) -> int:
    """The answer to whoever asks for the number alone."""
    total = await finder.count()
    if total is None:
        words = f"More than {GATHERED} records would have to be opened to count these"
        raise bad(words, "_summary", "Narrow the search, by patient, by date or by _lastUpdated.")
    return total


async def _total(finder: Counting, asked: Search, found: int, *, whole: bool) -> int | None:
    """How many there are on all pages, where that is known or was asked for."""
    if whole and not asked.page and not finder.damaged:
        return found
    return await finder.count() if asked.total else None


def _told(words: Json) -> Json:
    return {"resource": words, "search": {"mode": "outcome"}}
