"""Searches in an order that the client wants, and how many records a search finds.

The order of a list is our own, patient by patient. Another one needs all that is found at once: up to :data:`GATHERED`
candidates are looked at, sorted, and a page of them is shown. Only the time of the last change has an index that gives
any number in its order. So what is found may be sorted by anything, and everything by when it changed.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.http.fhir_dates import extent
from gateway.http.fhir_find import CHANGED, Finder, Match, Place
from gateway.http.fhir_search import dated
from gateway.http.refusal import bad
from gateway.store import reading
from gateway.store.rows import Found
from gateway.wire.fhir_values import Json

GATHERED = 1000
"""Candidates of a search that is sorted here, or counted by opening; one access entry names no more."""
ALL = "all"
"""What the token of a page that was sorted here begins with."""
Key = list[int]


class Counting(Finder):
    """Finds one page, and how many there are."""

    async def count(self) -> int | None:
        """How many records the client would be shown over all pages; None when to know would open too many."""
        if self._asked.by_content:
            number = await asyncio.to_thread(self._count_states)
            if number is not None:
                return number
            found = await self.gathered(GATHERED, opening=True)
            return None if found is None else len(found)
        return sum([await asyncio.to_thread(self._count_of, type) for type in self._types])

    def _count_states(self) -> int | None:
        """The records of these states, where nothing else is asked and the index knows. Blocks."""
        asked = self._asked
        others = asked.dates or asked.identifiers or asked.updated or asked.ids or asked.patient is not None
        if others or self._reader.principal.client.locations:
            return None
        if not all(self._whole(type, "status") and self._index.ready(self._tenant, type) for type in self._types):
            return None
        lookup = self._index.lookup
        return sum(lookup.count_words(self._tenant, type, "status", asked.statuses) for type in self._types)

    def _count_of(self, type: str) -> int:
        """The records of one type, by the index where it alone tells. Blocks."""
        wanted = self._listing(type)
        plain = not wanted.ids and wanted.patient is None and not wanted.locations
        if plain and self._index.ready(self._tenant, type):
            return self._index.lookup.count(self._tenant, type, (wanted.since, wanted.before))
        return self._house.store.read_sync(lambda connection: reading.counted(connection, self._tenant, wanted))


class Sorted(Counting):
    """Finds one page in the order that was asked for."""

    async def page(self) -> tuple[list[Match], str | None]:
        """The page's resources in their order, and the token of the next page.

        Raises:
            HttpRefusal: 400 when more is found than can be sorted.
        """
        after = self._opened() if self._asked.page else None
        if after is not None and after[0] != ALL:
            return await self._by_time()
        if after is None and self._streams and await self._is_long():
            return await self._by_time()
        opening = any(key == "date" for key, _ in self._asked.sort)
        found = await self.gathered(GATHERED, opening=opening)
        if found is not None:
            return await self._sorted(found, None if after is None else after[1])
        if after is None and self._streams and await self._in_time():
            return await self._by_time()
        raise bad(
            f"More than {GATHERED} records would have to be sorted", "_sort",
            "Narrow the search, by patient or by date; all records are sorted by _lastUpdated alone"
            " where the search index is kept.",
        )  # fmt: skip

    @property
    def _streams(self) -> bool:
        """Whether the index can give what is asked for in its order."""
        asked = self._asked
        return len(asked.sort) == 1 and asked.sort[0][0] == "_lastUpdated" and asked.patient is None and not asked.ids

    async def _is_long(self) -> bool:
        """Whether the index knows already that too much is found to sort it here, and can give it in its order."""
        if not self._asked.by_content:
            return await self._in_time()
        number = await asyncio.to_thread(self._count_states)
        return number is not None and number > GATHERED

    async def _in_time(self) -> bool:
        return await asyncio.to_thread(self._ready, self._types)

    async def _by_time(self) -> tuple[list[Match], str | None]:
        self._groups = [self._types]
        return await super().page()

    def _begin(self) -> Place:
        return super()._begin() if self._asked.page else Place(by=CHANGED)

    async def _sorted(
        self, found: list[tuple[Json | None, Found]], after: list[Any] | None
    ) -> tuple[list[Match], str | None]:
        """The page behind a key: what changed its key meanwhile is where it now belongs."""
        keyed = sorted(((self._key(made, row), row) for made, row in found), key=lambda one: one[0])
        behind = [one for one in keyed if after is None or one[0] > after]
        some = behind[: self._asked.count]
        shown = await self._reader.show([row for _, row in some], self._made)
        return shown, self._token([ALL, some[-1][0]]) if len(behind) > len(some) else None

    def _key(self, made: Json | None, row: Found) -> Key:
        """Numbers by which a record is sorted; its id makes them its own. What has no date comes last."""
        key: Key = []
        record = [int.from_bytes(bytes(row.record_id)[at : at + 4]) for at in range(0, 16, 4)]
        for name, last_first in self._asked.sort:
            if name == "date":
                lasts = None if made is None else extent(dated(made))
                key.append(int(lasts is None))
            if name == "_id":
                numbers = record
            elif name == "_lastUpdated":
                numbers = [row.at]
            else:
                numbers = [] if lasts is None else [lasts[0]]
            key += [-number for number in numbers] if last_first else numbers
        return key + record
