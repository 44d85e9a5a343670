"""The files of a bulk export, streamed page by page: what is there, what is gone, and what could not be given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from gateway.flow.clock import iso
from gateway.flow.places import record_text
from gateway.http.directory import Principal
from gateway.http.fhir import is_damaged, outcome, shown_resource
from gateway.http.fhir_asked import COMPARTMENT, Asked
from gateway.http.house import House
from gateway.http.reading import PAGE, Reader, Shown
from gateway.http.records import record_bytes
from gateway.store import reading
from gateway.store.rows import Found
from gateway.wire.fhir import RESOURCE, encode

NOTED = 1000
"""Damaged records that are noted with an export; where a file lacks more, its error file looks for them itself."""


class Files:
    """The files of one resource of an export.

    Args:
        house: where the records are.
        principal: who fetches them.
        asked: the export.
        resource: the resource.
        types: the record types behind it that the client may see.
        note: keeps which records a file lacked that was read to its end.
    """

    def __init__(
        self, house: House, principal: Principal, asked: Asked, resource: str, types: Sequence[str],
        note: Callable[[tuple[str, ...]], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._house = house
        self._reader = Reader(house, principal)
        self._asked = asked
        self._resource = resource
        self._types = types
        self._note = note

    async def there(self) -> AsyncIterator[bytes]:
        """Every resource that can be opened."""
        damaged: list[str] = []

        def lines(shown: list[Shown]) -> bytes:
            damaged.extend(one.id for one in shown if is_damaged(one) and len(damaged) <= NOTED)
            return b"".join(encode(made) + b"\n" for one in shown if (made := shown_resource(one)) is not None)

        async for rows in self._pages():
            yield await self._reader.show(rows, lines)
        if len(damaged) <= NOTED:
            await self._note(tuple(damaged))

    async def gone(self) -> AsyncIterator[bytes]:
        """One Bundle for each deletion, with its own time, so that a reader who sees it twice knows it again."""
        async for rows in self._pages(removed=True):
            await self._reader.tell(rows)
            yield b"".join(_deletion(row) for row in rows)

    async def lacking(self) -> AsyncIterator[bytes]:
        """One OperationOutcome for each record that cannot be opened; that it exists is on its patient's list."""
        noted = self._asked.damaged.get(self._resource)
        if noted is None:
            async for rows in self._pages():
                yield await self._lost(await self._damaged(rows))
        elif noted:
            ids = [record_bytes(one) for one in noted]
            tenant = self._reader.principal.tenant
            rows = await self._house.store.read(lambda connection: reading.newest(connection, tenant, ids))
            yield await self._lost([row for row in rows if self._reader.visible(row)])

    async def _damaged(self, rows: Sequence[Found]) -> list[Found]:
        """Those that cannot be opened; nothing of what can leaves."""
        found: list[Found] = []

        def look(one: Shown) -> bool:
            if is_damaged(one):
                found.append(one.change)
            return False

        await self._reader.search(rows, look)
        return found

    async def _lost(self, rows: Sequence[Found]) -> bytes:
        await self._reader.tell(rows)
        return b"".join(_loss(self._resource, record_text(row.record_id)) for row in rows)

    async def _pages(self, *, removed: bool = False) -> AsyncIterator[Sequence[Found]]:
        principal, since = self._reader.principal, self._asked.since
        tenant, locations = principal.tenant, tuple(principal.client.locations)
        of_patients = self._asked.of_patients and self._resource in COMPARTMENT
        for type in self._types:
            wanted = reading.Wanted(type, locations=locations, since=since, removed=removed)
            place = reading.Place(b"", b"") if of_patients else None  # behind what is of nobody
            while True:
                rows = await self._house.store.read(lambda c, o=wanted, p=place: reading.listed(c, tenant, o, p, PAGE))  # type: ignore[misc]  # the defaults bind what the loop has now
                yield rows
                if len(rows) < PAGE:
                    break
                last = rows[-1]
                place = reading.Place(None if last.patient is None else bytes(last.patient), bytes(last.record_id))


def _deletion(row: Found) -> bytes:
    made = {
        "resourceType": "Bundle",
        "type": "transaction",
        "timestamp": iso(row.at),
        "entry": [{"request": {"method": "DELETE", "url": f"{RESOURCE[row.type]}/{record_text(row.record_id)}"}}],
    }
    return encode(made) + b"\n"


def _loss(resource: str, id: str) -> bytes:
    words = (
        f"{resource}/{id} is damaged where it is stored and was left out. Ask the gateway's operator to read it"
        " from its source again; the next export then has it."
    )
    return encode(outcome("error", "exception", words, f"{resource}.where(id = '{id}')")) + b"\n"
