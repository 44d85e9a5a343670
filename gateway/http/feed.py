"""The feed: changes after a cursor, at least once and in order; and snapshots, from which a new reader begins.

Changes of one patient come in order; a merge of two patients comes after everything before it of either. The cursor
moves over what a page holds: presenting it says that the page is safe. A reader that dies in between gets the page
again, with the same ids and versions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy import Connection

from gateway.flow.leaving import as_heard
from gateway.flow.route import Filter, read_on
from gateway.http import lines
from gateway.http.cursor import feed_cursor, place_in_list, place_of, place_token, positions_of, words_of
from gateway.http.door import Entered
from gateway.http.examples import CHANGES, SNAPSHOTS
from gateway.http.house import House
from gateway.http.lines import NDJSON, End
from gateway.http.reading import PAGE, Reader, Shown
from gateway.http.refusal import bad
from gateway.store import journal, reading
from gateway.store.rows import Found

MOST = 50_000
"""Records of one NDJSON answer."""
WAIT = 60.0
LOOKING_SECONDS = 5.0
"""How long a request goes over changes that are not for this client before it answers with a cursor further on."""

After = Annotated[str, Query(max_length=4096, description="The cursor of the answer before; the beginning when empty.")]
Types = Annotated[
    str, Query(max_length=2000, description="Record types, comma separated; all that the client may see when empty.")
]
Limit = Annotated[int, Query(ge=1, le=MOST, description=f"At most this many records; of JSON at most {PAGE}.")]


class Step(NamedTuple):
    """One look at the journal."""

    rows: Sequence[Found]
    positions: dict[int, int]
    moved: bool


def feed(house: House) -> APIRouter:
    """``GET /v1/changes`` and ``GET /v1/snapshots``."""
    router = APIRouter(prefix="/v1", tags=["feed"])

    @router.get("/changes", summary="Changes after a cursor", responses=CHANGES)
    async def changes(
        request: Request, principal: Entered, after: After = "", types: Types = "", limit: Limit = PAGE,
        wait: Annotated[float, Query(ge=0, le=WAIT, description="Seconds to wait for a change.")] = 0,
    ) -> Response:  # fmt: skip
        chosen = Filter(types_of(types, principal.types), frozenset(), principal.client.locations)
        positions = positions_of(house.vault, principal.tenant, after)
        puller = Puller(house, Reader(house, principal), chosen)
        with house.news.waiting(principal.client.id) if wait else nullcontext():
            first = await puller.first(positions, min(limit, PAGE), wait)
        if wants_lines(request):
            return StreamingResponse(puller.stream(first, limit), 200, told(request), NDJSON)
        body, step = await puller.page(first)
        end = End(cursor=puller.cursor(step.positions), more=step.moved)
        return Response(lines.framed("changes", body, end), 200, told(request), "application/json")

    @router.get("/snapshots", summary="Every record as it stands, to begin with", responses=SNAPSHOTS)
    async def snapshots(
        request: Request, principal: Entered, after: After = "", types: Types = "", limit: Limit = PAGE
    ) -> Response:
        chosen = sorted(types_of(types, principal.types))
        walker = Walker(house, Reader(house, principal), chosen)
        place = await walker.begin(after)
        if wants_lines(request):
            return StreamingResponse(walker.stream(place, limit), 200, told(request), NDJSON)
        body, end = await walker.page(place, min(limit, PAGE))
        return Response(lines.framed("records", body, walker.end(end)), 200, told(request), "application/json")

    return router


def told(request: Request) -> dict[str, str]:
    """Headers that the door has prepared: how much of the quota is left."""
    return dict(getattr(request.state, "told", {}))


def types_of(asked: str, seen: frozenset[str]) -> frozenset[str]:
    """The record types asked for, each of which the client must be allowed to see."""
    named = frozenset(filter(None, (one.strip() for one in asked.split(","))))
    if named - seen:
        raise bad("A type is unknown or not for this client", "types", f"Yours are: {', '.join(sorted(seen))}.")
    return named or seen


def wants_lines(request: Request) -> bool:
    """Whether the client would rather have NDJSON."""
    return NDJSON in request.headers.get("accept", "")


class Puller:
    """Reads the journal for one request."""

    def __init__(self, house: House, reader: Reader, chosen: Filter) -> None:
        self._house = house
        self._reader = reader
        self._filter = chosen
        self._tenant = reader.principal.tenant

    def cursor(self, positions: dict[int, int]) -> str:
        """The cursor of these positions."""
        return feed_cursor(self._house.vault, self._tenant, positions)

    async def first(self, positions: dict[int, int], most: int, wait: float) -> Step:
        """The first page that holds something; an empty one when nothing came in time."""
        end = time.monotonic() + wait
        looked_until = max(end, time.monotonic() + LOOKING_SECONDS)
        while True:
            step = await self._look(positions, most)
            late = time.monotonic() >= (looked_until if step.moved else end)
            if step.rows or late or self._house.news.over:
                return step
            positions = step.positions
            if not step.moved:
                await self._house.news.wait(self._tenant, end - time.monotonic())

    async def page(self, step: Step) -> tuple[list[bytes], Step]:
        """The lines of one look."""
        return await self._reader.show(step.rows, _changes), step

    async def stream(self, step: Step, limit: int) -> AsyncIterator[bytes]:
        """NDJSON: pages until the limit or the journal's end, then the cursor."""
        left = limit
        while step.rows:
            ahead = None
            left -= len(step.rows)
            if left > 0:
                ahead = asyncio.ensure_future(self._look(step.positions, min(left, PAGE)))
            yield lines.line_ended(await self._reader.show(step.rows, _changes))
            yield lines.encode(End(cursor=self.cursor(step.positions), more=True)) + b"\n"
            if ahead is None:
                return
            step = await ahead
        yield lines.encode(End(cursor=self.cursor(step.positions), more=step.moved)) + b"\n"

    async def _look(self, positions: dict[int, int], most: int) -> Step:
        return await self._house.store.read(lambda connection: self._read(connection, positions, most))

    def _read(self, connection: Connection, positions: dict[int, int], most: int) -> Step:
        found = read_on(connection, self._tenant, self._filter, positions, (), most)
        sealed = _with_content(connection, self._tenant, found.wanted)
        rows = as_heard(connection, self._tenant, self._filter, sealed)
        return Step(rows, {**positions, **found.moved}, bool(found.moved))


def _with_content(connection: Connection, tenant: str, wanted: Sequence[Found]) -> list[Found]:
    """The same changes with what is sealed of them, read in one stretch per lane."""
    stretches: dict[int, list[int]] = {}
    for row in wanted:
        stretches.setdefault(row.lane, []).append(row.position)
    found: list[Found] = []
    for lane, positions in stretches.items():
        rows = reading.span(connection, tenant, lane, positions[0] - 1, positions[-1])
        if positions[-1] - positions[0] >= len(positions):  # something stands between that is not wanted
            chosen = set(positions)
            rows = [row for row in rows if row.position in chosen]
        found += rows
    return found


class Walk(NamedTuple):
    """Where a walk over all records stands."""

    cursor: str
    """Of the journal when the walk began: changes are read from there afterwards."""
    type: int
    place: list[str | None] | None
    """Of the last record shown, as :func:`~gateway.http.cursor.words_of` writes it."""


class Walker:
    """Goes over all records of the chosen types for one request."""

    def __init__(self, house: House, reader: Reader, types: Sequence[str]) -> None:
        self._house = house
        self._reader = reader
        self._types = types
        self._tenant = reader.principal.tenant
        self._token = f"snapshot/{reader.principal.client.id}/{','.join(types)}"

    async def begin(self, after: str) -> Walk:
        """Where to go on; a new walk takes the journal's heads first, so that nothing falls between."""
        if not after:
            heads = await self._house.store.read(lambda connection: journal.heads(connection, self._tenant))
            return Walk(feed_cursor(self._house.vault, self._tenant, heads), 0, None)
        return Walk(*place_of(self._house.vault, self._tenant, self._token, after))

    def end(self, walk: Walk) -> End:
        """What an answer ends with: where to go on, or at the end the cursor for ``/v1/changes``."""
        if walk.type >= len(self._types):
            return End(cursor=walk.cursor)
        token = place_token(self._house.vault, self._tenant, self._token, list(walk))
        return End(next=token, more=True)

    async def page(self, walk: Walk, most: int) -> tuple[list[bytes], Walk]:
        """The next records, and where the walk then stands."""
        rows: list[Found] = []
        while walk.type < len(self._types) and len(rows) < most:
            found = await self._house.store.read(partial(self._read, walk=walk, most=most - len(rows)))
            rows += found
            if found and len(rows) == most:
                walk = walk._replace(place=words_of(found[-1]))
            else:
                walk = Walk(walk.cursor, walk.type + 1, None)
        return await self._reader.show(rows, _records), walk

    async def stream(self, walk: Walk, limit: int) -> AsyncIterator[bytes]:
        """NDJSON: pages until the limit or the end."""
        while limit > 0 and walk.type < len(self._types):
            body, walk = await self.page(walk, min(limit, PAGE))
            limit -= len(body)
            yield lines.line_ended(body)
        yield lines.encode(self.end(walk)) + b"\n"

    def _read(self, connection: Connection, walk: Walk, most: int) -> Sequence[Found]:
        locations = tuple(self._reader.principal.client.locations)
        wanted = reading.Wanted(self._types[walk.type], locations=locations)
        after = None if walk.place is None else place_in_list(walk.place)
        return reading.listed(connection, self._tenant, wanted, after, most)


def _changes(shown: list[Shown]) -> list[bytes]:
    return [lines.change_line(one) for one in shown]


def _records(shown: list[Shown]) -> list[bytes]:
    return [lines.record_line(one) for one in shown]
