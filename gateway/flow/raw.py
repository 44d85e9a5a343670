"""Raw: the messages behind a change as they were received, for a sink whose view grants them by their word.

A file that was cut into messages (an 835: one for each claim, and one for the whole) goes with the record of the whole
as all of its messages. Whoever is told of in any of them is known before anything is opened: what waits or is in
quarantine holds the change back, for nobody could say whose data would leave.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.errors import Shredded
from gateway.flow.places import context_place, message_place
from gateway.flow.policy import Stop
from gateway.flow.taking import opened
from gateway.flow.words import SHREDDED
from gateway.model.exchange import Raw
from gateway.store import messages, received
from gateway.store.opening import Store
from gateway.store.rows import Found
from gateway.vault import Sealed, Vault

MOST_PARTS = 10_000
MOST_BYTES = 32 * 2**20
"""Of all that one dispatch carries: more goes with the next one."""
UNSETTLED = Stop("hold", "raw-unsettled", 300.0)
"""A part of what was received waits, or is in quarantine."""
NEXT = Stop("hold", "raw-next", 1.0)
TOO_LARGE = Stop("suppressed", "raw-too-large")
GONE = Stop("suppressed", SHREDDED)
"""What would be sent opens no more, on purpose: it is not sent, and nobody waits for it."""
_DAMAGED = Stop("suppressed", "raw-damaged")
_SETTLED = frozenset({"normalized", "suppressed"})


class Asked(NamedTuple):
    """For whom it is opened."""

    tenant: str
    actor: str
    purpose: str


class Received(NamedTuple):
    """What goes along."""

    raw: tuple[Raw, ...]
    patients: frozenset[bytes]


class _Parts(NamedTuple):
    """What is stored, still sealed."""

    rows: dict[int, Found]
    keys: dict[int, Found]
    contexts: dict[int, Found]
    patients: frozenset[bytes]


class RawReader:
    """Opens for one dispatch."""

    def __init__(self, asked: Asked, store: Store, vault: Vault, audit: AuditLog) -> None:
        self._asked = asked
        self._store = store
        self._vault = vault
        self._audit = audit
        self._left = MOST_BYTES

    def of(self, change: Found) -> Received | Stop:
        """What a change was made of, opened under an access entry that names each message; or why it cannot go."""
        found = self._store.read_sync(lambda connection: self._sealed(connection, change))
        if isinstance(found, Stop):
            return found
        size = sum(len(row.box) for row in found.rows.values())
        if size > self._left:
            return TOO_LARGE if size > MOST_BYTES else NEXT
        self._left -= size
        try:
            return self._opened(found)
        except Shredded:
            return GONE

    def _sealed(self, connection: Connection, change: Found) -> _Parts | Stop:
        tenant = self._asked.tenant
        message = messages.one(connection, tenant, change.message_id)
        if message is None:
            return GONE
        ids = received.with_parts(connection, tenant, message, MOST_PARTS)
        if len(ids) > MOST_PARTS:
            return TOO_LARGE
        rows, keys = received.boxes(connection, tenant, ids), received.last_outcomes(connection, tenant, ids)
        if any(id not in keys or keys[id].outcome not in _SETTLED for id in ids):
            return UNSETTLED
        if any(id not in rows or rows[id].box is None or keys[id].wrapped is None for id in ids):
            return GONE
        wanted = {row.context_id for row in rows.values() if row.context_id is not None}
        contexts = messages.contexts_of(connection, tenant, wanted)
        return _Parts({id: rows[id] for id in ids}, keys, contexts, received.patients(connection, tenant, ids))

    def _opened(self, found: _Parts) -> Received | Stop:
        asked, vault = self._asked, self._vault
        entry = self._audit.entry(
            asked.tenant, action="access", actor=asked.actor, purpose=asked.purpose, outcome="raw",
            messages=list(found.rows), contexts=sorted(found.contexts),
        )  # fmt: skip
        self._store.write_sync(lambda connection: self._audit.append(connection, entry))
        raw: list[Raw] = []
        with self._audit.grant(entry) as grant:
            envelopes: dict[int | None, bytes | None] = {None: b""}
            for id, one in found.contexts.items():
                sealed = Sealed(one.key_id, one.wrapped, one.box)
                envelopes[id] = opened(vault, grant, context_place(asked.tenant, id), sealed)
            for id, row in found.rows.items():
                sealed = Sealed(found.keys[id].key_id, found.keys[id].wrapped, row.box)
                body = opened(vault, grant, message_place(asked.tenant, id), sealed)
                context = envelopes.get(row.context_id)
                if body is None or context is None:
                    return _DAMAGED
                raw.append(Raw(row.kind, body, context))
        return Received(tuple(raw), found.patients)
