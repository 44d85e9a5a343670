"""Opening everything that is sealed once, to find what somebody changed where no count changes.

Counting rows finds what is gone. A message or a version whose bytes, key or place was changed stays counted, and would
be met by whoever needs it, years later perhaps. Its seal tells: so each is opened, under access entries as for any
other look, and nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from hmac import compare_digest
from uuid import UUID

import msgspec

from gateway.audit import AuditLog
from gateway.errors import IntegrityViolated, Shredded
from gateway.flow.contents import CHANGED
from gateway.flow.places import change_place, change_row, message_place
from gateway.store import journal, received, sealed
from gateway.store.opening import Store
from gateway.store.rows import Found
from gateway.vault import Grant, Place, Sealed, Vault

STEP = 1_000
"""Versions opened under one access entry."""
STEP_BYTES = 2**23
"""Sealed bytes of messages opened under one access entry, one message at least."""
(_CHANGES,) = (one for one in sealed.HOLDERS if one.table.name == "changes")


class Checked(msgspec.Struct, kw_only=True):
    """What opening came to."""

    tenant: str
    messages: int = 0
    versions: int = 0
    shredded: int = 0
    damaged: list[dict[str, str | int]] = msgspec.field(default_factory=list)
    """What, id and version of each message and record version that is not what was sealed."""


class Checker:
    """Opens all of one tenant; nothing that it raises holds up the next value."""

    def __init__(self, store: Store, vault: Vault, audit: AuditLog, tenant: str, actor: str) -> None:
        self._store = store
        self._vault = vault
        self._audit = audit
        self._actor = actor
        self.found = Checked(tenant=tenant)

    def messages(self) -> None:
        """Open every message that is kept, and hold its bytes against the digest by which repeats are known.

        Raises:
            KeysUnavailable: the key provider does not answer.
        """
        tenant = self.found.tenant
        for ids in self._message_ids():
            rows = self._store.read_sync(partial(received.boxes, tenant=tenant, ids=ids))
            keys = self._store.read_sync(partial(received.keys, tenant=tenant, ids=ids))
            entry = self._audit.entry(
                tenant, action="access", actor=self._actor, purpose="verify", counts={"messages": len(rows)},
                messages=list(rows),
            )  # fmt: skip
            self._audit.commit(entry)
            with self._audit.grant(entry) as grant:
                for id, row in rows.items():
                    named: dict[str, str | int] = {"type": "message", "id": id, "version": 1}
                    body = self._opened(grant, message_place(tenant, id), keys.get(id), row.box, named)
                    if body is None:
                        continue
                    if compare_digest(self._vault.digest(tenant, body), bytes(row.digest)):
                        self.found.messages += 1
                    else:
                        self._damaged(named)

    def versions(self) -> None:
        """Open every version of every record.

        Raises:
            KeysUnavailable: the key provider does not answer.
        """
        tenant = self.found.tenant
        for places in self._places():
            changes = list(self._store.read_sync(partial(journal.at_places, tenant=tenant, places=places)).values())
            entry = self._audit.entry(
                tenant, action="access", actor=self._actor, purpose="verify", counts={"versions": len(changes)},
                changes=[change_row(one.record_id, one.version) for one in changes],
            )  # fmt: skip
            self._audit.commit(entry)
            with self._audit.grant(entry) as grant:
                for one in changes:
                    id = str(UUID(bytes=bytes(one.record_id)))
                    named: dict[str, str | int] = {"type": one.type, "id": id, "version": one.version}
                    place = change_place(tenant, one.record_id, one.version)
                    self.found.versions += self._opened(grant, place, one, one.box, named) is not None

    def _opened(
        self, grant: Grant, place: Place, key: Found | None, box: bytes, named: dict[str, str | int]
    ) -> bytes | None:
        """The bytes; None when nothing opens them any more on purpose, or when they are damaged, which is noted."""
        if key is None or key.wrapped is None:
            self.found.shredded += 1
            return None
        try:
            return self._vault.open(grant, place, Sealed(key.key_id, key.wrapped, box))
        except Shredded:
            self.found.shredded += 1
        except IntegrityViolated:
            self._damaged(named)
        return None

    def _damaged(self, named: dict[str, str | int]) -> None:
        self.found.damaged.append(named | {"reason": CHANGED})

    def _message_ids(self) -> Iterator[list[int]]:
        """Messages with bytes, step by step."""
        after = 0
        while rows := self._store.read_sync(partial(received.sizes, tenant=self.found.tenant, after=after, most=STEP)):
            ids, size = list[int](), 0
            for row in rows:
                if ids and size + row.size > STEP_BYTES:
                    break
                ids.append(row.message_id)
                size += row.size
            after = ids[-1]
            yield ids

    def _places(self) -> Iterator[list[tuple[int, int]]]:
        """Where sealed versions stand, step by step."""
        after: tuple[int, ...] | None = None
        page = partial(sealed.page, holder=_CHANGES, tenant=self.found.tenant, most=STEP)
        while rows := self._store.read_sync(partial(page, after=after)):
            after = sealed.place(_CHANGES, rows[-1])
            yield [(row.lane, row.position) for row in rows]


def check_sealed(store: Store, vault: Vault, audit: AuditLog, tenant: str, actor: str) -> Checked:
    """Open every message and every version of one tenant's records.

    Raises:
        KeysUnavailable: the key provider does not answer.
    """
    checker = Checker(store, vault, audit, tenant, actor)
    checker.messages()
    checker.versions()
    return checker.found
