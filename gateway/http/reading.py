"""Reading: the one way by which records leave over HTTP.

What a page shows is written before it is opened: in one commit the access entry, which names the page, its rows and its
patients, and one disclosure row per patient, unless it is shown to a person of the house. Only then is anything
decrypted, and each record is cut down to the view as the bytes are made. A search by content has to open what it may
not show: its candidates are opened under an access entry of their own, and what matched is written as a page before it
leaves.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from gateway.access import Projection
from gateway.audit.entry import Entry
from gateway.errors import IntegrityViolated, Shredded
from gateway.flow.clock import micros
from gateway.flow.leaving import sealed_version
from gateway.flow.merge import open_body
from gateway.flow.places import change_place, change_row, record_text
from gateway.flow.taking import opened
from gateway.http.directory import Principal
from gateway.http.house import House
from gateway.store import reading
from gateway.store.rows import Found
from gateway.vault import Sealed

T = TypeVar("T")
PAGE = 1000
"""The most records of one page: of one access entry."""


class Shown(NamedTuple):
    """One version of a record as a client may see it."""

    change: Found
    projection: Projection | None
    """None when what is stored is not what was sealed, or what opened it was destroyed on purpose."""
    shredded: bool = False
    """Whether it was on purpose."""

    @property
    def id(self) -> str:
        """The record's id."""
        return record_text(self.change.record_id)


class Reader:
    """Reads for one client.

    Opening happens in a thread; a commit is waited for without one, so that any number of requests share the next.
    """

    def __init__(self, house: House, principal: Principal) -> None:
        self._house = house
        self.principal = principal

    def visible(self, change: Found) -> bool:
        """Whether a row is of a type and at a clinic that the client may see."""
        locations = self.principal.client.locations
        return change.type in self.principal.types and (not locations or change.location in locations)

    async def show(self, rows: Sequence[Found], make: Callable[[list[Shown]], T]) -> T:
        """One page: written as disclosed, then opened and cut down to the view; ``make`` runs where that is done."""
        if not rows:
            return make([])
        await self.principal.check()
        entry, unit = await asyncio.to_thread(self._page, rows, opening=True)
        await self._house.store.write(unit)
        return await asyncio.to_thread(lambda: make(self._open(rows, entry)))

    async def tell(self, rows: Sequence[Found]) -> None:
        """One page of which only the ids are told, as of what is gone: written as disclosed, and nothing is opened."""
        if rows:
            await self.principal.check()
            _, unit = await asyncio.to_thread(self._page, rows, opening=False)
            await self._house.store.write(unit)

    async def search(self, rows: Sequence[Found], matches: Callable[[Shown], bool]) -> list[Shown]:
        """Open candidates, keep what matches, and write that as disclosed before it is given out."""
        if not rows:
            return []
        await self.principal.check()
        entry = await asyncio.to_thread(self._looked, rows)
        await self._house.store.write(lambda connection: self._house.audit.append(connection, entry))
        found, unit = await asyncio.to_thread(self._matching, rows, entry, matches)
        if found:
            await self._house.store.write(unit)
        return found

    def _looked(self, rows: Sequence[Found]) -> Entry:
        """The access entry of candidates that are opened to be compared."""
        principal = self.principal
        return self._house.audit.entry(
            principal.tenant, action="access", actor=principal.actor, purpose=principal.client.purpose,
            outcome="searched", changes=_named(rows), counts={"records": len(rows)},
        )  # fmt: skip

    def _matching(
        self, rows: Sequence[Found], entry: Entry, matches: Callable[[Shown], bool]
    ) -> tuple[list[Shown], Callable[[Connection], None]]:
        """What of the candidates matches, and what writes it as disclosed."""
        found = [one for one in self._open(rows, entry) if matches(one) and one.projection is not None]
        return found, self._page([one.change for one in found], opening=False)[1]

    def _page(self, rows: Sequence[Found], *, opening: bool) -> tuple[Entry, Callable[[Connection], None]]:
        """The entry of one page, and what writes it with its disclosures. Blocks where new numbers are taken."""
        principal, house = self.principal, self._house
        page = house.store.next_id("pages") if principal.discloses else None
        patients = _by_patient(rows)
        entry = house.audit.entry(
            principal.tenant, action="access" if opening else "read", actor=principal.actor,
            purpose=principal.client.purpose, outcome="disclosed" if principal.discloses else "shown",
            pages=[] if page is None else [page],
            patients=[str(UUID(bytes=patient)) for patient in patients],
            changes=_named(rows) if opening else (), counts={"records": len(rows), "patients": len(patients)},
        )  # fmt: skip
        view, now = bytes.fromhex(principal.view.version), micros()
        told = [
            {
                "tenant": principal.tenant, "page": page, "patient": patient, "client": principal.client.id,
                "records": sum(types.values()), "types": ",".join(sorted(types)), "view": view,
                "recipient": principal.client.recipient, "purpose": principal.client.purpose, "at": now,
            }
            for patient, types in patients.items()
            if page is not None
        ]  # fmt: skip

        def unit(connection: Connection) -> None:
            house.audit.append(connection, entry)
            reading.disclose(connection, told)

        return entry, unit

    def _open(self, rows: Sequence[Found], entry: Entry) -> list[Shown]:
        vault, tenant, view = self._house.vault, self.principal.tenant, self.principal.view
        shown = []
        with self._house.audit.grant(entry) as grant:
            for row in rows:
                place = change_place(tenant, row.record_id, sealed_version(row))
                try:
                    body = opened(vault, grant, place, Sealed(row.key_id, row.wrapped, row.box))
                except Shredded:
                    shown.append(Shown(row, None, shredded=True))
                    continue
                projection = None
                if body is not None:
                    try:
                        projection = view.project(row.type, open_body(body), named=False)
                    except IntegrityViolated:  # sealed well, but no record of its type: it is shown as damaged too
                        projection = None
                shown.append(Shown(row, projection))
        return shown


def _named(rows: Iterable[Found]) -> list[str]:
    return [change_row(row.record_id, sealed_version(row)) for row in rows]


def _by_patient(rows: Iterable[Found]) -> dict[bytes, Counter[str]]:
    found: dict[bytes, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row.patient is not None:
            found[bytes(row.patient)][row.type] += 1
    return found
