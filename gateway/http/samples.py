"""Samples of what a subscription would be sent: newest first, in the shape of its requests.

A flow builder (Zapier's ``performList``) shows them to who sets a flow up, before anything is subscribed to. They are
records of patients like those that are sent later: under the client's view and scopes, and on the disclosure lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from gateway.flow.clock import iso
from gateway.http.door import Entered
from gateway.http.feed import Types, told, types_of
from gateway.http.house import House
from gateway.http.reading import Reader, Shown
from gateway.http.refusal import missing
from gateway.model.exchange import Delivery
from gateway.store import journal, reading
from gateway.store.rows import Found

MOST = 25
_TAIL = 4
"""Changes at the end of each lane that are looked at for what is newest."""
_SHOWN = frozenset({"created", "updated"})
_EXAMPLE = {
    "type": "appointment.updated",
    "timestamp": "2026-03-01T14:02:11.120034Z",
    "data": {
        "id": "0b7e1f6a-5d0c-8a3e-9c1d-2f4b6a8c0e12", "version": 3, "source": "northside",
        "observed_at": "2026-03-01T14:02:11.004410Z",
        "record": {"start": "2026-03-02T09:30:00-06:00", "status": "booked"},
    },
}  # fmt: skip
SAMPLES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Items of the trigger", "content": {"application/json": {"example": [_EXAMPLE]}}}
}


def samples(house: House) -> APIRouter:
    """``GET /v1/hooks/samples``."""
    router = APIRouter(prefix="/v1/hooks", tags=["hooks"])

    @router.get("/samples", summary="What a subscription would be sent, newest first", responses=SAMPLES)
    async def list_(
        request: Request,
        principal: Entered,
        types: Types = "",
        payload: Annotated[Literal["full", "thin"], Query(description="As of the subscription.")] = "full",
        limit: Annotated[int, Query(ge=1, le=MOST, description="At most this many items.")] = 3,
    ) -> Response:
        if house.sampling is None:
            raise missing("The sink that serves subscriptions gives no samples")
        chosen = sorted(types_of(types, principal.types))
        reader = Reader(house, principal)
        rows = await house.store.read(
            partial(_newest, tenant=principal.tenant, reader=reader, types=chosen, most=limit)
        )
        if payload == "thin":
            await reader.tell(rows)
            shown = [_delivery(row, b"{}") for row in rows]
        else:
            shown = await reader.show(rows, _full)
        body = b"[" + b",".join(house.sampling.sample(one, payload) for one in shown) + b"]"
        return Response(body, 200, told(request), "application/json")

    return router


def _newest(connection: Connection, tenant: str, reader: Reader, types: Sequence[str], most: int) -> Sequence[Found]:
    """The newest records that the journal ends with, and where these are too few any others of the types."""
    heads = journal.heads(connection, tenant)
    ends = journal.between(connection, tenant, {lane: (head - _TAIL, head) for lane, head in heads.items()})
    ids = {bytes(row.record_id) for lane in ends.values() for row in lane if row.type in types}
    found = {bytes(row.record_id): row for row in reading.newest(connection, tenant, sorted(ids)) if _fits(row, reader)}
    locations = tuple(reader.principal.client.locations)
    for type in types:
        if len(found) >= most:
            break
        wanted = reading.Wanted(type, locations=locations)
        more = reading.listed(connection, tenant, wanted, None, most)
        found |= {bytes(row.record_id): row for row in more if _fits(row, reader)}
    return sorted(found.values(), key=lambda row: (row.at, bytes(row.record_id)), reverse=True)[:most]


def _fits(row: Found, reader: Reader) -> bool:
    return row.kind in _SHOWN and reader.visible(row)


def _full(shown: list[Shown]) -> list[Delivery]:
    """What can be read and holds a granted field, as a subscription would be sent it."""
    bodies = ((one.change, one.projection.body) for one in shown if one.projection is not None)
    return [_delivery(row, body) for row, body in bodies if body != b"{}"]


def _delivery(row: Found, body: bytes) -> Delivery:
    return Delivery(
        key="sample", change=row.kind, type=row.type, record_id=Shown(row, None).id, order="", version=row.version,
        at=iso(row.at), source=row.source, observed_at=iso(row.observed_at), fields=(), body=body,
    )  # fmt: skip
