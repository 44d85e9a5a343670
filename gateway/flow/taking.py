"""Taking: what waits to be normalized, by turns, from memory or from the store.

What waits in the store is listed once, when there is more than memory holds or after a start, and read when its turn
comes. It is opened under an access entry that names every message and envelope of the batch. One that stands on a page
which cannot be read comes without its bytes, by what the inbox tells of it, and waits alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import structlog
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.errors import IntegrityViolated, PageUnreadable, Shredded
from gateway.flow.handoff import Arrived, Handoff, Stored
from gateway.flow.places import context_place, message_place
from gateway.flow.trials import Name, Trial, Trials
from gateway.flow.turns import Turns
from gateway.store import messages
from gateway.store.opening import Store
from gateway.store.rows import Found
from gateway.store.unreadable import read_apart
from gateway.vault import Grant, Place, Sealed, Vault

BATCH = 256

log = structlog.get_logger(__name__)


def opened(vault: Vault, grant: Grant, place: Place, sealed: Sealed) -> bytes | None:
    """A sealed value, or None when it is not what was sealed: whoever needs it is quarantined alone.

    Raises ``Shredded`` when what opens it was destroyed on purpose.
    """
    try:
        return vault.open(grant, place, sealed)
    except IntegrityViolated:
        log.error("sealed-value-damaged", what=place.table)  # noqa: TRY400 - a traceback may hold values
        return None


class Taker:
    """Takes batches by turns."""

    def __init__(self, store: Store, vault: Vault, audit: AuditLog, handoff: Handoff, trials: Trials) -> None:
        self._store = store
        self._vault = vault
        self._audit = audit
        self._handoff = handoff
        self._trials = trials
        self._most = BATCH

    def shrink(self) -> None:
        """After a batch that could not be written: on a disk that refuses now and then a smaller one may pass."""
        self._most = max(1, self._most // 2)

    def grow(self) -> None:
        """After a batch that was written."""
        self._most = min(BATCH, self._most * 2)

    def take(self, tenant: str) -> Sequence[Arrived]:
        """What is next, at most a batch; nothing when nothing waits."""
        if (alone := self._trials.alone(tenant)) is not None:
            return self._alone(tenant, alone)
        while True:
            taken = self._next(tenant)
            name = self._trials.naming(tenant, [one.message_id for one in taken])
            stored = [one.message_id for one in taken if isinstance(one, Stored)]
            rows, lost = self._pending(tenant, stored)
            found = {one.message_id: one for one in [*self._open(tenant, rows, name), *lost]}
            batch = [one if isinstance(one, Arrived) else found.get(one.message_id) for one in taken]
            left = [one for one in batch if one is not None]
            if left or not taken:
                return left
            self._handoff.settled(tenant, len(taken))  # by another process, since they were listed

    def _next(self, tenant: str) -> Sequence[Arrived | Stored]:
        if self._handoff.is_live(tenant):
            return self._handoff.take(tenant, self._most)
        self._handoff.go_live(tenant)
        stored = self._waiting(tenant)
        if self._handoff.listed(tenant, stored):
            return self._handoff.take(tenant, self._most)
        return Turns(stored).take(self._most)  # so much arrived meanwhile that the list is made anew next time

    def _waiting(self, tenant: str) -> list[Stored]:
        """Everything that waits, oldest first; of no source what stands on a page that cannot be read."""
        try:
            waiting = self._store.read_sync(partial(messages.waiting, tenant=tenant))
        except PageUnreadable:
            kept = self._store.read_sync(partial(messages.kept_in_inbox, tenant=tenant))
            ids = [row.message_id for row in kept]
            sources, _ = read_apart(self._store, lambda c, some: messages.sources_of(c, tenant, some), ids)
            return [Stored(row.message_id, sources.get(row.message_id, ""), row.lane) for row in kept]
        return [Stored(row.message_id, row.source, row.lane) for row in waiting]

    def _pending(self, tenant: str, ids: Sequence[int]) -> tuple[list[Found], list[Arrived]]:
        """Those of these messages that still wait, as they are stored; and without their bytes what cannot be read."""
        if not ids:
            return [], []
        found, unread = read_apart(
            self._store, lambda c, some: {row.message_id: row for row in messages.pending(c, tenant, some)}, ids
        )
        if not unread:
            return list(found.values()), []
        log.error("page-unreadable", what="messages", count=len(unread))
        kept = self._store.read_sync(partial(messages.kept_in_inbox, tenant=tenant, ids=sorted(unread)))
        attempts = self._store.read_sync(partial(messages.attempts_of, tenant=tenant, ids=sorted(unread)))
        lost = [
            Arrived(
                row.message_id, "", "", row.lane, b"", b"", row.key_id, row.wrapped, 0,
                attempts.get(row.message_id, 0), damaged=True,
            )
            for row in kept
        ]  # fmt: skip
        return list(found.values()), lost

    def _alone(self, tenant: str, trial: Trial) -> Sequence[Arrived]:
        if not trial.aside:
            return self._open(tenant, [trial.row], trial.name)
        one = trial.row.message_id
        attempts = self._store.read_sync(partial(messages.attempts_of, tenant=tenant, ids=[one]))
        return [_arrived(trial.row, None, None, attempts.get(one, 0), crashed=True)]

    def _open(self, tenant: str, stored: Sequence[Found], name: Name | None) -> list[Arrived]:
        """Messages of the store, once their access entry and their names are committed."""
        if not stored:
            if name is not None:
                self._store.write_sync(name)
            return []
        ids = [row.message_id for row in stored]
        wanted = {row.context_id for row in stored if row.context_id is not None}
        entry = self._audit.entry(
            tenant,
            action="access",
            actor="gateway:normalize",
            purpose="normalize",
            messages=ids,
            contexts=sorted(wanted),
        )

        def both(connection: Connection) -> None:
            if name is not None:
                name(connection)
            self._audit.append(connection, entry)

        self._store.write_sync(both)
        contexts = self._store.read_sync(lambda connection: messages.contexts_of(connection, tenant, wanted))
        attempts = self._store.read_sync(lambda connection: messages.attempts_of(connection, tenant, ids))
        with self._audit.grant(entry) as grant:
            envelopes: dict[int | None, bytes | None] = {None: b""}
            for context_id, c in contexts.items():
                place = context_place(tenant, context_id)
                envelopes[context_id] = opened(self._vault, grant, place, Sealed(c.key_id, c.wrapped, c.box))
            arrived = []
            for row in stored:
                place = message_place(tenant, row.message_id)
                sealed, gone = Sealed(row.key_id, row.wrapped, row.box), False
                try:
                    body = opened(self._vault, grant, place, sealed)
                except Shredded:
                    body, gone = None, True
                arrived.append(
                    _arrived(row, body, envelopes.get(row.context_id), attempts.get(row.message_id, 0), gone=gone)
                )
        return arrived


def _arrived(
    row: Found, body: bytes | None, context: bytes | None, attempt: int, *, gone: bool = False, crashed: bool = False
) -> Arrived:
    return Arrived(
        row.message_id,
        row.source,
        row.kind,
        row.lane,
        body or b"",
        context or b"",
        row.key_id,
        row.wrapped,
        row.received_at,
        attempt,
        damaged=body is None or context is None,
        gone=gone,
        crashed=crashed,
    )
