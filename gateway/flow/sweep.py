"""Sweep: a source's full list compared with the records made of it, behind live traffic.

Theory of operation. Each page is compared as it comes: rows that are not known, known as removed, or known in an older
version are asked for directly and taken in with the page's cursor, in one commit; so a sweep is also the back-fill of
history, and a crash costs one page. What was known before a sweep that ran from end to end, and was on none of its
pages, is a candidate: absent is still unknown. Records that other lists make are none, though they share the type. Each
candidate is asked for by its id; only what is not found then is told as an absence. When more is absent than could be
believed, nothing is removed and a person must look. Rows that tell no version are compared by their bytes, see
:mod:`gateway.flow.sweep_content`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
import structlog

from gateway.audit import AuditLog
from gateway.errors import Shredded, SourceUnavailable
from gateway.flow.absence import Absent, absence_item, also_absent
from gateway.flow.clock import iso, micros
from gateway.flow.merge import open_parts
from gateway.flow.places import change_place, change_row, record_bytes
from gateway.flow.sweep_content import Contents, Row
from gateway.flow.taking import opened
from gateway.model.exchange import Intake, Item
from gateway.model.full_list import Looked, Seen, Sweep, SweepPage
from gateway.store import journal, messages
from gateway.store.opening import Store
from gateway.store.rows import Found
from gateway.vault import Sealed, Vault

STREAM = "sweep:"
FIRST_AFTER = 600.0
"""Seconds after the start before a list is swept for the first time, unless polling leaves history to it."""
LOOKED_AT_ONCE = 50
FEW = 20
"""So many absences are believed of any list."""

log = structlog.get_logger(__name__)


class Progress(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How far a sweep has come, or how the last one ended; stored as the sweep's cursor. Times are microseconds."""

    begun: int
    cursor: str | None = None
    whole: bool = True
    """Whether one process read all of it from the first page on: only then is anything judged absent."""
    listed: int = 0
    missed: int = 0
    """Rows that polling had not brought, or only in an older version: taken in."""
    removed: int = 0
    held: int = 0
    """Records that were not found, at the least so many, and too many to be believed: nothing was removed."""
    ended: int | None = None

    def describe(self) -> dict[str, Any]:
        """For ``gateway sweeps``."""
        ended = None if self.ended is None else iso(self.ended)
        return {
            "begun": iso(self.begun), "ended": ended, "whole": self.whole, "listed": self.listed,
            "missed": self.missed, "removed": self.removed, "held_back": self.held,
        }  # fmt: skip

    def text(self) -> str:
        """As it is stored."""
        return msgspec.json.encode(self).decode()


read_progress = msgspec.json.Decoder(Progress).decode


class Sweeper:
    """The :class:`~gateway.transport.schedule.Sweeping` of one source."""

    def __init__(
        self,
        tenant: str,
        source: str,
        store: Store,
        vault: Vault,
        audit: AuditLog,
        *,
        interval: float,
        most_absent: float,
        now: Callable[[], int] = micros,
    ) -> None:
        self.interval = interval
        self._tenant, self._source = tenant, source
        self._store, self._vault, self._audit = store, vault, audit
        self._contents = Contents(tenant, source, store, vault)
        self._most_absent = most_absent
        self._now = now
        self._started = now()
        self._known: dict[str, tuple[int, dict[bytes, str]]] = {}
        """What was known when a sweep began and has not been listed since: record id and source version."""
        self._forgotten: set[str] = set()
        """Sweeps whose cursor their source refused: links to pages live for an hour or so."""
        self._others: dict[str, set[bytes]] = {}
        """Records that a sweep has met and that are another list's: they are opened once."""

    async def due(self, sweep: Sweep) -> float:
        """Seconds until this list is to be swept."""
        last = await self._last(sweep)
        if last is None:
            wait = 0.0 if sweep.history else min(self.interval, FIRST_AFTER)
            return wait - (self._now() - self._started) / 1e6
        return 0.0 if last.ended is None else self.interval - (self._now() - last.ended) / 1e6

    async def run(self, sweep: Sweep, intake: Intake) -> None:
        """Sweep one list to its end, from where it was broken off."""
        progress = await self._last(sweep)
        if progress is None or progress.ended is not None or sweep.name in self._forgotten:
            progress = Progress(begun=self._now())
            self._forgotten.discard(sweep.name)
            query = partial(journal.alive, tenant=self._tenant, source=self._source, type=sweep.type)
            self._known[sweep.name] = progress.begun, await self._store.read(query)
        begun, known = self._known.get(sweep.name, (0, {}))
        progress.whole = progress.whole and begun == progress.begun
        cursor = progress.cursor
        asked = {cursor}
        while True:
            page = await self._page(sweep, cursor)
            items = await self._odd(sweep, page.seen, known, progress, intake)
            progress.whole = progress.whole and not page.unreadable
            progress.listed += len(page.seen)
            progress.missed += len(items)
            if page.cursor is None:
                break
            if page.cursor in asked:
                raise SourceUnavailable("The source's pages loop", where=sweep.name)
            progress.cursor = cursor = page.cursor
            asked.add(cursor)
            await intake.accept(items, stream=STREAM + sweep.name, cursor=progress.text())
        if progress.whole:
            items += await self._judge(sweep, known, progress, intake)
        progress.ended, progress.cursor = self._now(), None
        await intake.accept(items, stream=STREAM + sweep.name, cursor=progress.text())
        self._known.pop(sweep.name, None)
        self._tell(sweep, progress)

    async def _page(self, sweep: Sweep, cursor: str | None) -> SweepPage:
        """One page; where a source knows a cursor no more, the next run begins at the first page."""
        try:
            return await sweep.page(cursor)
        except SourceUnavailable as error:
            if error.refused and cursor is not None:
                self._forgotten.add(sweep.name)
            raise

    async def _last(self, sweep: Sweep) -> Progress | None:
        query = partial(messages.cursor, tenant=self._tenant, source=self._source, stream=STREAM + sweep.name)
        text = await self._store.read(query)
        return None if text is None else read_progress(text)

    def _record_id(self, type: str, native_id: str) -> bytes:
        return record_bytes(self._vault.record_id(self._tenant, self._source, type, native_id))

    async def _odd(
        self, sweep: Sweep, seen: Sequence[Seen], known: dict[bytes, str], progress: Progress, intake: Intake
    ) -> list[Item]:
        """Messages that are still to be stored of what the records do not show as a page does."""
        if sweep.versioned:
            return await self._missed(sweep, seen, known, progress)
        rows: dict[bytes, Row] = {}
        for one in seen:
            record_id = self._record_id(sweep.type, one.native_id)
            known.pop(record_id, None)
            if one.item is not None:
                rows[record_id] = Row(one.native_id, one.item)
        progress.missed += await self._contents.take_in(sweep, rows, intake)
        return []

    async def _missed(
        self, sweep: Sweep, seen: Sequence[Seen], known: dict[bytes, str], progress: Progress
    ) -> list[Item]:
        """Messages of the rows of a page that the records do not show as the list does."""
        odd: dict[bytes, Seen] = {}
        for one in seen:
            record_id = self._record_id(sweep.type, one.native_id)
            version = known.pop(record_id, None)
            if version is None or one.version > version:
                odd[record_id] = one
        if not odd:
            return []
        heads = await self._store.read(partial(journal.record_heads, tenant=self._tenant, ids=list(odd)))
        wanted = [one.native_id for record_id, one in odd.items() if _is_missed(heads.get(record_id), one)]
        back = {one.native_id for record_id, one in odd.items() if record_id in heads and heads[record_id].removed}
        items: list[Item] = []
        for at in range(0, len(wanted), LOOKED_AT_ONCE):
            asked = wanted[at : at + LOOKED_AT_ONCE]
            returned = [one for one in asked if one in back]
            fresh = [one for one in asked if one not in back]
            items += await self._new((await sweep.look(fresh)).items) if fresh else ()
            # The same bytes came before the record was removed: under its old name this would be a repeat.
            items += [_again(item, progress.begun) for item in (await sweep.look(returned)).items] if returned else ()
        return items

    async def _new(self, items: Sequence[Item]) -> list[Item]:
        """Those that were not stored before: a change that changes no field of ours leaves the record as it was."""
        names = {item.control_id for item in items}
        query = partial(messages.same_control, tenant=self._tenant, source=self._source, controls=names)
        stored = {row.control_id for row in await self._store.read(query)}
        return [item for item in items if item.control_id not in stored]

    async def _judge(self, sweep: Sweep, known: dict[bytes, str], progress: Progress, intake: Intake) -> list[Item]:
        """Messages of what is known and was not listed: news where it is found after all, absences where not."""
        if not known:
            return []
        others = self._others.setdefault(sweep.name, set())
        ids = [record_id for record_id in known if record_id not in others]
        heads = await self._store.read(partial(journal.record_heads, tenant=self._tenant, ids=ids))
        absent = {
            record_id: head
            for record_id, head in heads.items()
            if not head.removed
            and head.source_version == known[record_id]  # else news of it came while we read
            and not self._is_shredded(head)  # nobody can tell what it was, so nobody can ask for it
        }
        most = max(FEW, self._most_absent * (progress.listed + len(absent)))
        news: list[Item] = []
        gone: list[Item] = []
        places = list(absent)
        for at in range(0, len(places), LOOKED_AT_ONCE):
            asked = {record_id: absent[record_id] for record_id in places[at : at + LOOKED_AT_ONCE]}
            told = await self._natives(asked)
            natives = {record_id: native for record_id, native in told.items() if sweep.owns(native)}
            others.update(told.keys() - natives.keys())
            if not natives:
                continue
            looked = await self._looked(sweep, natives, progress, intake)
            fresh = await self._new(looked.items)
            news += fresh
            progress.missed += len(fresh)
            gone += [
                self._absence(sweep, record_id, native, asked[record_id], progress)
                for record_id, native in natives.items()
                if native not in looked.found
            ]
            if len(gone) > most:
                progress.held = len(gone)
                return news
        progress.removed += len(gone)
        return news + gone

    async def _looked(self, sweep: Sweep, natives: dict[bytes, str], progress: Progress, intake: Intake) -> Looked:
        """What a direct question is answered with; what tells no version is taken in at once."""
        if sweep.versioned:
            return await sweep.look(list(natives.values()))
        rows: dict[bytes, Row] = {}
        found: set[str] = set()
        for record_id, native in natives.items():
            answer = await sweep.look([native])
            found |= answer.found
            if answer.items:
                rows[record_id] = Row(native, answer.items[-1])
        progress.missed += await self._contents.take_in(sweep, rows, intake)
        return Looked(items=(), found=frozenset(found))

    def _is_shredded(self, head: Found) -> bool:
        return head.patient is not None and self._vault.keystore.is_shredded(self._tenant, bytes(head.patient))

    def _absence(self, sweep: Sweep, record_id: bytes, native: str, head: Found, progress: Progress) -> Item:
        absent = Absent(sweep.type, native, head.source_version, also_absent(native, sweep.also))
        return absence_item(absent, record_id.hex(), str(progress.begun))

    async def _natives(self, heads: dict[bytes, Found]) -> dict[bytes, str]:
        """The source's own ids of some records, opened under an access entry; unreadable ones are left alone."""
        tenant = self._tenant
        entry = self._audit.entry(
            tenant, action="access", actor="gateway:sweep", purpose="reconcile",
            changes=[change_row(record_id, head.version) for record_id, head in heads.items()],
        )  # fmt: skip
        await self._store.write(lambda connection: self._audit.append(connection, entry))
        places = [(head.lane, head.position) for head in heads.values()]
        found = await self._store.read(lambda connection: journal.at_places(connection, tenant, places))
        natives: dict[bytes, str] = {}
        with self._audit.grant(entry) as grant:
            for record_id, head in heads.items():
                change = found[head.lane, head.position]
                place = change_place(tenant, record_id, change.version)
                with suppress(Shredded):  # meanwhile
                    body = opened(self._vault, grant, place, Sealed(change.key_id, change.wrapped, change.box))
                    if body is not None:
                        natives[record_id] = open_parts(body)[0]
        return natives

    def _tell(self, sweep: Sweep, progress: Progress) -> None:
        told = log.bind(source=self._source, stream=sweep.name, listed=progress.listed, missed=progress.missed)
        if progress.held:
            told.error("sweep-held", absent=progress.held, fix="Raise most_absent of the source if it is so.")
        elif progress.removed or progress.missed:
            told.warning("sweep-found", removed=progress.removed)


def _is_missed(head: Found | None, seen: Seen) -> bool:
    return head is None or bool(head.removed) or seen.version > str(head.source_version)


def _again(item: Item, begun: int) -> Item:
    return msgspec.structs.replace(item, control_id=f"{item.control_id}:sweep:{begun}")
