"""One list followed from its committed cursor on, oldest change first.

Strategy. Pages of an offset-paged list shift while rows change, and a shifted row would be missed for good. So every
page is the first page of a new question, ``updated_at >= newest time seen``, and what was read twice is dropped. Only
when one second holds more rows than a page is that second read by following ``links.next``, and its count compared
with ``total_entries``. The cursor goes to the core with the items it covers, and only as far as the answers were
sound: in order, complete by their own count, and not in the future.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from gateway.errors import SourceUnavailable
from gateway.model.exchange import Intake, Item
from gateway_cliniko.config import ClinikoConfig
from gateway_cliniko.records_page import Page, Row, stamp
from gateway_cliniko.transport_joined import Joiner
from gateway_cliniko.transport_lists import COMPLETING, WRONG_COUNT, Api, ListOf
from gateway_cliniko.transport_sweep import SWEPT


class ChangedRows:
    """The stream of one list: polls it from the committed cursor on."""

    def __init__(self, source: ListOf, api: Api, config: ClinikoConfig, now: Callable[[], datetime]) -> None:
        self._bring = Joiner(api, now).items
        self.name = source.stream
        self._list = source
        self._api = api
        self._config = config
        self._now = now
        self._overlap = timedelta(seconds=config.overlap_seconds)
        self._committed: datetime | None = None
        self._seen: dict[bytes, datetime] = {}

    async def poll(self, intake: Intake) -> None:
        """Bring in what changed; raises ``SourceUnavailable`` when the answers are not sound."""
        cursor = await intake.cursor(self.name)
        self._committed = datetime.fromisoformat(cursor) if cursor else None
        since = self._first()
        for _ in range(self._config.most_pages):
            page = await self._api.page(self._list, self._api.url(self._list, _from(since)))
            times = [row.updated_at for row in page.rows]
            last = times[-1] if times else since
            doubt = self._doubt(page, times, since)
            await self._accept(intake, page, None if doubt else last)
            if doubt:
                raise SourceUnavailable(f"The source {doubt}", where=self._list.path)
            if page.next is None:
                return
            if since is not None and last == since:
                since = await self._crowded_second(intake, since)
            else:
                since = last

    @staticmethod
    def _doubt(page: Page, times: list[datetime], since: datetime | None) -> str:
        """Why the cursor may not follow this page; empty when its order and counts are sound."""
        if times != sorted(times) or (since and times and times[0] < since):
            return "ignores the order or filter asked for"
        if page.next is not None:
            return "" if times else "names a next page after one without readable items"
        return "" if page.total == len(times) + len(page.findings) else WRONG_COUNT

    async def _crowded_second(self, intake: Intake, second: datetime) -> datetime:
        """Read one second that fills a page or more, all of it; the next question begins after it."""
        after = second + timedelta(seconds=1)
        filters = [*_from(second), f"updated_at:<{stamp(after)}"]
        async for page in self._api.pages(self._list, filters, self._config.most_pages):
            await self._accept(intake, page, None)
        await self._accept(intake, Page([], [], 0, None), after)
        return after

    def _first(self) -> datetime | None:
        """Where the first question of a poll begins; None asks for everything."""
        if self._committed is not None:
            return self._committed - self._overlap
        behind = self._config.history == "behind" and self.name in SWEPT
        if behind or self._list in COMPLETING:  # the sweep, or what they complete, brings what is older
            return self._now().replace(microsecond=0) - timedelta(days=1)
        return self._config.changed_since.astimezone(UTC) if self._config.changed_since else None

    async def _accept(self, intake: Intake, page: Page, reached: datetime | None) -> None:
        """Hand over what is new together with the cursor; only what was stored is remembered as seen."""
        rows = {_digest(row.body): row for row in page.rows}
        findings = {_digest(found.body): found for found in page.findings}
        items = await self._items([row for key, row in rows.items() if key not in self._seen])
        fresh = [found for key, found in findings.items() if key not in self._seen]
        now = self._now().replace(microsecond=0)
        moved = reached and min(reached, now)  # a row dated in the future must not hide what happens until then
        if moved is not None and self._committed is not None and moved <= self._committed:
            moved = None
        if items or fresh or moved is not None:
            cursor = stamp(moved) if moved is not None else None
            await intake.accept(items, stream=self.name, cursor=cursor, findings=fresh)
        self._committed = moved or self._committed
        self._seen |= {key: row.updated_at for key, row in rows.items()} | dict.fromkeys(findings, now)
        if self._committed is not None:
            oldest = self._committed - self._overlap
            self._seen = {key: at for key, at in self._seen.items() if at >= oldest}

    async def _items(self, rows: Sequence[Row]) -> list[Item]:
        """The messages that some changed rows bring."""
        return await self._bring(self._list, rows)


def _from(since: datetime | None) -> list[str]:
    return [] if since is None else [f"updated_at:>={stamp(since)}"]


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()
