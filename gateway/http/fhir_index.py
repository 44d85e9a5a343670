"""The search index: kept by reading the journal on, outside the way of what comes in, and asked by searches.

Theory of operation. The index has a position in each lane, as a reactor has. A step reads on from there, opens the
newest version of what changed under an access entry that was committed before, and writes the hidden words of each
record together with the new positions. Nobody who stores or normalizes waits for it or pays for it: while much is
unsettled and nobody searches it takes one step at a time with pauses between. A search first lets the index read what
is left, so its answer is complete up to the moment it was asked; where too much is left (a new index, an import), the
search does not use it and opens candidates as they come, complete as well and slower.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import structlog

from gateway.errors import KeysUnavailable, Shredded, StoreUnavailable
from gateway.flow.merge import open_body
from gateway.flow.places import change_place, change_row
from gateway.flow.taking import opened
from gateway.http import fhir_tokens as tokens
from gateway.http.fhir_lookup import Lookup, blind
from gateway.http.house import House
from gateway.store import clients, journal, reactions, searching
from gateway.store.rows import Found, RowExists
from gateway.vault import Grant, Sealed
from gateway.wire.fhir import PROJECTIONS, RESOURCE

READ = 512
"""Records of one step."""
CATCH_UP = 1024
"""Changes that a search waits for at most."""
LINGER_SECONDS = 0.25
PAUSE_SECONDS = 1.0
BUSY = 512
"""Unsettled messages from which on the index keeps out of the way."""
NEEDED_SECONDS = 30.0
"""How long it keeps up, however much is unsettled, after a search found it behind."""
RACES = 20

log = structlog.get_logger(__name__)
_fields = msgspec.json.Decoder(dict[str, Any]).decode
_ASKED = {type: frozenset(chain(*made_of.values())) for type, made_of in tokens.FIELDS.items()}
"""The fields that a record's words are made of: the rest of it need not be shown."""


class Raced(Exception):
    """Another process was faster: look at the store again."""


class State(NamedTuple):
    """How a tenant's index stands."""

    types: frozenset[str]
    cursors: Mapping[int, int]
    heads: Mapping[int, int]

    @property
    def lag(self) -> int:
        """Changes not read yet."""
        return sum(max(0, head - self.cursors.get(lane, 0)) for lane, head in self.heads.items())

    def has_read(self, heads: Mapping[int, int]) -> bool:
        """Whether it has read the journal as far as this."""
        return all(self.cursors.get(lane, 0) >= head for lane, head in heads.items())


class SearchIndex:
    """The index of every tenant of this process. Methods that block say so; they are called in a thread."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._store = house.store
        self.lookup = Lookup(house.store, house.vault)
        self._steps = threading.Lock()
        self._ending = asyncio.Event()
        self._needed: dict[str, float] = {}
        """When a search found it behind last, by tenant."""
        self._noted: dict[str, set[str]] = {tenant: set() for tenant in house.tenants}
        """Days, months and years known to be noted, by tenant."""

    async def run(self) -> None:
        """Keep every tenant's index until :meth:`end`; not to be cancelled, for a step under way needs the store."""
        await asyncio.gather(*(self._keep(tenant) for tenant in self._house.tenants))

    def end(self) -> None:
        """Let ``run`` return after the step at hand."""
        self._ending.set()

    async def _keep(self, tenant: str) -> None:
        while not self._ending.is_set():
            moved = 0
            try:
                await asyncio.to_thread(self.choose, tenant)
                moved = await asyncio.to_thread(self.step, tenant)
            except (StoreUnavailable, KeysUnavailable) as error:
                log.warning("search-index-waits", error=error.code)
            except Exception as error:  # noqa: BLE001 - a defect here must be heard of, and searches go on without
                log.error("search-index-failed", error=type(error).__name__)  # noqa: TRY400 - a traceback may hold values
                await self._pause(PAUSE_SECONDS)
            if self._house.unsettled() > BUSY and not self._is_needed(tenant):
                await self._pause(PAUSE_SECONDS)
            elif not moved:
                await self._house.news.wait(tenant, PAUSE_SECONDS)
                await self._pause(LINGER_SECONDS)

    def _is_needed(self, tenant: str) -> bool:
        """Whether a search found it behind not long ago: to do without it costs the machine more than to keep it."""
        return time.monotonic() - self._needed.get(tenant, -NEEDED_SECONDS) < NEEDED_SECONDS

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    # --- keeping ----------------------------------------------------------------------------------------------------

    def choose(self, tenant: str) -> None:
        """Begin the index anew where it lacks a record type that somebody may search. Blocks."""
        wanted = self._wanted(tenant)
        held = self._store.read_sync(lambda connection: searching.edition(connection, tenant))
        if held is None and not wanted:
            return
        if self._house.settings.indexed is None and held is not None and held == _edition(searching.types_of(held)):
            wanted |= frozenset(searching.types_of(held))
        text = _edition(wanted)
        if text != held:
            self._noted[tenant] = set()
            self._store.write_sync(lambda connection: searching.begin(connection, tenant, text))

    def _wanted(self, tenant: str) -> frozenset[str]:
        """The record types named in the settings, or those that the view of some client grants."""
        if self._house.settings.indexed is not None:
            return frozenset(self._house.settings.indexed) & frozenset(tokens.FIELDS)
        rows = self._store.read_sync(clients.everyone)
        views = {row.view for row in rows if row.tenant == tenant and row.revoked_at is None}
        grants = (self._house.views[view].grants for view in views if view in self._house.views)
        return frozenset(type for granted in grants for type in granted if type in tokens.FIELDS)

    def state(self, tenant: str) -> State | None:
        """How the index stands; None where there is none. Blocks."""

        def query(connection: Any) -> State | None:
            text = searching.edition(connection, tenant)
            types = None if text is None else _types(text)
            if types is None:
                return None
            return State(types, searching.cursors(connection, tenant), journal.heads(connection, tenant))

        return self._store.read_sync(query)

    def ready(self, tenant: str, type: str) -> bool:
        """Let the index read what is left; False where it has none of this type, or too far to go. Blocks.

        What arrives while it reads on is not waited for: an answer is complete up to the moment it was asked.
        """
        found = self._store.read_sync(lambda connection: searching.standing(connection, tenant))
        types = None if found is None else _types(found.edition)
        if found is None or types is None or type not in types:
            return False
        if found.lag:
            self._needed[tenant] = time.monotonic()
        if found.lag > CATCH_UP or not found.lag:
            return bool(found.lag <= CATCH_UP)
        asked = self._store.read_sync(lambda connection: journal.heads(connection, tenant))
        for _ in range(RACES):
            if not self.step(tenant, asked):
                break
        state = self.state(tenant)
        return bool(state and type in state.types and state.has_read(asked))

    def step(self, tenant: str, until: Mapping[int, int] | None = None) -> int:
        """Read on once, unless it has read as far as ``until``; how many changes were passed. Blocks."""
        with self._steps:
            state = self.state(tenant)
            if state is None or not state.lag or (until is not None and state.has_read(until)):
                return 0
            try:
                return self._read_on(tenant, state)
            except Raced:
                return 1

    def _read_on(self, tenant: str, state: State) -> int:
        cursors = state.cursors
        rows, moved = self._store.read_sync(
            lambda connection: reactions.read_on(connection, tenant, cursors, state.types, READ)
        )
        kept, days = self._read(tenant, {bytes(row.record_id) for row in rows})
        ids = [one.record_id for one in kept]
        before = self._store.read_sync(lambda connection: searching.held(connection, tenant, ids))
        noted = self._noted[tenant]
        new = days - noted

        def unit(connection: Any) -> None:
            if not searching.move_cursors(connection, tenant, cursors, moved):
                raise Raced
            try:
                searching.keep(connection, tenant, kept, before, [self._blind(tenant, "day", one) for one in new])
            except RowExists:
                raise Raced from None

        self._store.write_sync(unit)
        noted |= new
        return sum(position - cursors[lane] for lane, position in moved.items())

    def _read(self, tenant: str, ids: set[bytes]) -> tuple[list[searching.Kept], set[str]]:
        """What these records are found by from now on, and the days they are on, each after its type."""
        if not ids:
            return [], set()
        audit = self._house.audit
        newest = self._store.read_sync(lambda connection: reactions.newest(connection, tenant, ids))
        there = {record: row for record, row in newest.items() if not row.removed}
        entry = audit.entry(
            tenant, action="access", actor="gateway:search-index", purpose="index",
            changes=[change_row(record, row.version) for record, row in there.items()],
        )  # fmt: skip
        self._store.write_sync(lambda connection: audit.append(connection, entry))
        days: set[str] = set()
        kept = [searching.Kept(record, row.type, None, frozenset()) for record, row in newest.items() if row.removed]
        with audit.grant(entry) as grant:
            for record, row in there.items():
                found = self._words(tenant, grant, row)
                if found is None:
                    kept.append(searching.Kept(record, row.type, None, frozenset()))
                    continue
                blinds = frozenset(self._blind(tenant, f"{row.type}.{name}", word) for name, word in found)
                kept.append(searching.Kept(record, row.type, row.at, blinds))
                for name, word in found:
                    if name == "date":
                        days |= {f"{row.type}.{one}" for one in tokens.above(word)}
        return kept, days

    def _words(self, tenant: str, grant: Grant, row: Found) -> list[tuple[str, str]] | None:
        """What one record is found by; None when it cannot be read, by what it may be."""
        place = change_place(tenant, row.record_id, row.version)
        try:
            body = opened(self._house.vault, grant, place, Sealed(row.key_id, row.wrapped, row.box))
            if body is None:
                return None
            fields = _fields(open_body(body))
            asked = {name: fields[name] for name in _ASKED[row.type] if name in fields}
            made = {"resourceType": RESOURCE[row.type], **PROJECTIONS[row.type](asked)}
            return list(tokens.words(row.type, made))
        except Shredded:
            return None
        except KeysUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one record that cannot be shown may not end all indexing
            log.error("record-not-indexed", type=row.type, error=type(error).__name__)  # noqa: TRY400 - a traceback may hold values
            return None

    def _blind(self, tenant: str, column: str, word: str) -> bytes:
        return blind(self._house.vault, tenant, column, word)


def _types(text: str) -> frozenset[str] | None:
    """The record types of an edition; None when its digests have another form than those made now."""
    types = searching.types_of(text)
    return frozenset(types) if text == _edition(types) else None


def _edition(types: Any) -> str:
    return searching.edition_of(types, tokens.FORM)
