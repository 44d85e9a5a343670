"""Records by type: one by its id, and lists by patient, source and time of change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from gateway.http import lines
from gateway.http.cursor import place_in_list, place_of, place_token, words_of
from gateway.http.directory import Principal
from gateway.http.door import Entered
from gateway.http.examples import LIST, READ
from gateway.http.feed import After, told
from gateway.http.house import House
from gateway.http.lines import End
from gateway.http.reading import PAGE, Reader
from gateway.http.refusal import bad, missing
from gateway.model import TYPES
from gateway.store import reading

Type = Annotated[str, Path(pattern="^[A-Z][A-Za-z]{1,39}$", description="A record type.", examples=["Appointment"])]


def records(house: House) -> APIRouter:
    """``GET /v1/<type>`` and ``GET /v1/<type>/<id>``."""
    router = APIRouter(prefix="/v1", tags=["records"])

    @router.get("/{type}", summary="Records of one type", responses=LIST)
    async def list_(
        request: Request,
        principal: Entered,
        type: Type,
        patient: Annotated[str, Query(max_length=36, description="Only of this patient, by record id.")] = "",
        source: Annotated[str, Query(pattern="^[a-z0-9-]{0,63}$", description="Only of this source.")] = "",
        changed_since: Annotated[datetime | None, Query(description="Only changed since, with an offset.")] = None,
        after: After = "",
        limit: Annotated[int, Query(ge=1, le=PAGE)] = 100,
    ) -> Response:
        seen(principal, type)
        wanted = reading.Wanted(
            type, patient_of(principal, type, patient) if patient else None, (), source or None,
            tuple(principal.client.locations), _micros(changed_since),
        )  # fmt: skip
        kind = f"list/{type}"
        place = place_in_list(place_of(house.vault, principal.tenant, kind, after)) if after else None
        rows = await house.store.read(lambda c: reading.listed(c, principal.tenant, wanted, place, limit))
        shown = await Reader(house, principal).show(rows, list)
        token = None
        if len(rows) == limit:
            token = place_token(house.vault, principal.tenant, kind, words_of(rows[-1]))
        body = lines.framed("records", [lines.record_line(one) for one in shown], End(next=token, more=bool(token)))
        return Response(body, 200, told(request), "application/json")

    @router.get("/{type}/{id}", summary="One record", responses=READ)
    async def read(
        request: Request, principal: Entered, type: Type, id: Annotated[str, Path(max_length=36)]
    ) -> Response:
        seen(principal, type)
        reader = Reader(house, principal)
        rows = await house.store.read(lambda c: reading.newest(c, principal.tenant, [record_bytes(id)]))
        rows = [row for row in rows if row.type == type and row.kind != "removed" and reader.visible(row)]
        shown = await reader.show(rows, list)
        if not shown:
            raise missing()
        return Response(lines.record_line(shown[0]), 200, told(request), "application/json")

    return router


def seen(principal: Principal, type: str) -> None:
    """Refuse a type that is none, or not for this client."""
    if type not in TYPES or type not in principal.types:
        raise missing("There is no such record type, or none that this client may see")


def patient_of(principal: Principal, type: str, text: str) -> bytes:
    """The patient a list is about."""
    seen_by_patient(principal, type)
    return record_bytes(text, "patient")


def seen_by_patient(principal: Principal, type: str) -> None:
    """Refuse a list by patient where it would tell whose a record is, and that is not granted."""
    if type != "Patient" and "patient" not in principal.view.grants[type]:
        raise bad("This client may not see whose these records are", "patient")


def record_bytes(text: str, where: str = "id") -> bytes:
    """The 16 bytes of a record id."""
    try:
        return UUID(text).bytes
    except ValueError:
        raise bad("This is not a record id", where, "Record ids are UUIDs.") from None


def _micros(at: datetime | None) -> int | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise bad("A time needs its offset", "changed_since", "Write 2026-03-02T09:30:00Z.")
    try:
        return int(at.astimezone(UTC).timestamp() * 1_000_000)
    except OverflowError:
        raise bad("This time is too far away", "changed_since") from None
