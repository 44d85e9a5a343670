"""Taking: what waits to be normalized, from memory while that holds everything, else from the store.

What comes from the store is opened under an access entry that names every message and envelope of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.errors import IntegrityViolated, Shredded
from gateway.flow.handoff import Arrived, Handoff
from gateway.flow.places import context_place, message_place
from gateway.flow.trials import Trial, Trials
from gateway.store import messages
from gateway.store.opening import Store
from gateway.store.rows import Found
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
    """Takes batches in order of arrival."""

    def __init__(self, store: Store, vault: Vault, audit: AuditLog, handoff: Handoff, trials: Trials) -> None:
        self._store = store
        self._vault = vault
        self._audit = audit
        self._handoff = handoff
        self._trials = trials
        self._read_while_live: dict[str, set[int]] = {}

    def take(self, tenant: str) -> Sequence[Arrived]:
        """The oldest messages that wait, at most a batch from memory and four from the store."""
        trial = self._trials.next(tenant, BATCH)
        if trial is not None:
            return self._set_aside(tenant, trial) if trial.aside else self._open(tenant, trial.rows, trial.name)
        if self._handoff.is_live(tenant):
            seen = self._read_while_live.get(tenant)
            taken = self._handoff.take(tenant, BATCH)
            if seen:
                taken = [message for message in taken if message.message_id not in seen]
            if not taken:
                self._read_while_live.pop(tenant, None)
            return taken
        if not self._read_while_live.get(tenant):
            stored = self._store.read_sync(lambda connection: messages.pending(connection, tenant, BATCH))
            if len(stored) == BATCH:
                return self._open(tenant, stored)
        self._handoff.go_live(tenant)
        rest = self._store.read_sync(lambda connection: messages.pending(connection, tenant, 4 * BATCH))
        if len(rest) == 4 * BATCH:
            self._handoff.fall_behind(tenant)
            return self._open(tenant, rest)
        self._read_while_live[tenant] = {row.message_id for row in rest}
        return self._open(tenant, rest)

    def _set_aside(self, tenant: str, trial: Trial) -> list[Arrived]:
        """What is not tried again, unopened."""
        ids = [row.message_id for row in trial.rows]
        attempts = self._store.read_sync(lambda connection: messages.attempts_of(connection, tenant, ids))
        return [_arrived(row, None, None, attempts.get(row.message_id, 0), crashed=True) for row in trial.rows]

    def _open(
        self, tenant: str, stored: Sequence[Any], name: Callable[[Connection], None] = lambda _: None
    ) -> list[Arrived]:
        if not stored:
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
        row.inbox_lane,
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
