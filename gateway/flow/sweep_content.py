"""Rows that tell no version: compared with the bytes that their records were made of.

Theory of operation. A row that differs from its record is asked for by its id, stored, and asked for once more: what a
sweep has read may be older than what polling stored a moment later, and without a version nobody can tell which state
is the newer one. Only when two readings around one storing agree, the newest is the last that was stored. A row is
named by the version of the record it differs from, so news that changes no field of ours is not stored by every sweep.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec

from gateway.model.exchange import Intake, Item
from gateway.model.full_list import Sweep
from gateway.store import journal, messages
from gateway.store.opening import Store
from gateway.vault import Vault

MOST_READINGS = 5
"""Of one row, one after another; what changes faster than that is left to polling."""
SETTLING_SECONDS = 60.0
"""Longest wait until what was stored before is folded into records; what is not by then may be stored twice."""


class Row(msgspec.Struct, frozen=True):
    """One row as the source shows it."""

    native_id: str
    item: Item


class Contents:
    """Compares rows of one source with its records, and takes in what differs."""

    def __init__(
        self, tenant: str, source: str, store: Store, vault: Vault,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._tenant, self._source = tenant, source
        self._store, self._vault = store, vault
        self._sleep = sleep

    async def take_in(self, sweep: Sweep, rows: Mapping[bytes, Row], intake: Intake) -> int:
        """Store what these rows, by record id, are now, where no record shows it; how many rows that were."""
        if not await self._news(rows):
            return 0
        await self._settled()
        news = await self._news(await _asked(sweep, await self._news(rows)))
        missed = len(news)
        for reading in range(1, MOST_READINGS):
            if not news:
                break
            await intake.accept([row.item for row in news.values()])
            again = await _asked(sweep, news)
            news = {
                record_id: _named(row, str(reading))
                for record_id, row in again.items()
                if row.item.body != news[record_id].item.body
            }
        return missed

    async def _news(self, rows: Mapping[bytes, Row]) -> dict[bytes, Row]:
        """Those whose bytes did not make the record's version, and were not stored against that version either."""
        made = await self._store.read(partial(journal.made_of, tenant=self._tenant, ids=list(rows)))
        odd: dict[bytes, Row] = {}
        for record_id, row in rows.items():
            head = made.get(record_id)
            if head is None or head.digest != self._vault.digest(self._tenant, row.item.body):
                odd[record_id] = _named(row, "0" if head is None else str(head.version))
        names = {row.item.control_id for row in odd.values()}
        query = partial(messages.same_control, tenant=self._tenant, source=self._source, controls=names)
        stored = {found.control_id for found in await self._store.read(query)} if names else set()
        return {record_id: row for record_id, row in odd.items() if row.item.control_id not in stored}

    async def _settled(self) -> None:
        """Wait, within bounds, until nothing of this source waits that was stored before."""
        end = time.monotonic() + SETTLING_SECONDS
        newest = self._store.next_id()
        query = partial(messages.waits_before, tenant=self._tenant, source=self._source, message_id=newest)
        while time.monotonic() < end and await self._store.read(query):
            await self._sleep(SETTLING_SECONDS / 60)


async def _asked(sweep: Sweep, rows: Mapping[bytes, Row]) -> dict[bytes, Row]:
    """What these rows are now; who is gone is left out, for that is judged at the end of a sweep."""
    found: dict[bytes, Row] = {}
    for record_id, row in rows.items():
        for item in (await sweep.look([row.native_id])).items:
            found[record_id] = Row(row.native_id, item)
    return found


def _named(row: Row, against: str) -> Row:
    return Row(row.native_id, msgspec.structs.replace(row.item, control_id=f"{row.item.control_id}:{against}"))
