"""Opening everything that is sealed once, to find what somebody changed where no count changes.

Counting rows finds what is gone. A message, an envelope, a version or a reactor's group whose bytes, key or place was
changed stays counted, and would be met by whoever needs it, years later perhaps. Its seal tells: so each is opened,
under access entries as for any other look, and nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hmac import compare_digest
from typing import Any, NamedTuple

import msgspec

from gateway.audit import AuditLog
from gateway.errors import IntegrityViolated, Shredded
from gateway.flow.contents import CHANGED
from gateway.flow.places import (
    change_place,
    change_row,
    context_place,
    group_place,
    group_row,
    message_place,
    record_text,
)
from gateway.store import received, sealed
from gateway.store.opening import Store
from gateway.store.rows import Found
from gateway.vault import Grant, Place, Sealed, Vault

STEP = 1_000
"""Values opened under one access entry."""
STEP_BYTES = 2**23
"""Sealed bytes of messages opened under one access entry, one message at least."""
Named = dict[str, str | int]
"""Type, id and version of what was opened."""


class Kind(NamedTuple):
    """One table of values that stand beside what opens them."""

    table: str
    row: Callable[[Found], str | int]
    """The name under which access entries list one."""
    place: Callable[[str, Found], Place]
    named: Callable[[Found], Named]


ENVELOPES = Kind(
    "contexts",
    lambda row: row.context_id,
    lambda tenant, row: context_place(tenant, row.context_id),
    lambda row: {"type": "envelope", "id": row.context_id, "version": 1},
)
VERSIONS = Kind(
    "changes",
    lambda row: change_row(row.record_id, row.version),
    lambda tenant, row: change_place(tenant, row.record_id, row.version),
    lambda row: {"type": row.type, "id": record_text(row.record_id), "version": row.version},
)
GROUPS = Kind(
    "reactor_groups",
    lambda row: group_row(row.reactor, row.group_id),
    lambda tenant, row: group_place(tenant, row.reactor, row.group_id),
    lambda row: {"type": "group", "id": group_row(row.reactor, row.group_id), "version": row.turn},
)


class Checked(msgspec.Struct, kw_only=True):
    """What opening came to."""

    tenant: str
    messages: int = 0
    envelopes: int = 0
    versions: int = 0
    groups: int = 0
    """Of reactors: what each is called, and what it made."""
    shredded: int = 0
    damaged: list[Named] = msgspec.field(default_factory=list)
    """What, id and version of each value that is not what was sealed."""


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
                    named: Named = {"type": "message", "id": id, "version": 1}
                    body = self._opened(grant, message_place(tenant, id), keys.get(id), row.box, named)
                    if body is None:
                        continue
                    if compare_digest(self._vault.digest(tenant, body), bytes(row.digest)):
                        self.found.messages += 1
                    else:
                        self._damaged(named)

    def values(self, kind: Kind) -> int:
        """Open every value of one kind that is kept; how many are what was sealed.

        Raises:
            KeysUnavailable: the key provider does not answer.
        """
        tenant, opened = self.found.tenant, 0
        for rows in self._rows(kind.table):
            named: dict[str, Any] = {kind.table: [kind.row(row) for row in rows]}
            entry = self._audit.entry(
                tenant, action="access", actor=self._actor, purpose="verify", counts={kind.table: len(rows)}, **named
            )
            self._audit.commit(entry)
            with self._audit.grant(entry) as grant:
                for row in rows:
                    body = self._opened(grant, kind.place(tenant, row), row, row.box, kind.named(row))
                    opened += body is not None
        return opened

    def _opened(self, grant: Grant, place: Place, key: Found | None, box: bytes, named: Named) -> bytes | None:
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

    def _damaged(self, named: Named) -> None:
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

    def _rows(self, table: str) -> Iterator[Sequence[Found]]:
        """Sealed values with what opens them, step by step."""
        (holder,) = (one for one in sealed.HOLDERS if one.table.name == table)
        after: tuple[int, ...] | None = None
        page = partial(sealed.whole_page, holder=holder, tenant=self.found.tenant, most=STEP)
        while rows := self._store.read_sync(partial(page, after=after)):
            after = sealed.place(holder, rows[-1])
            yield rows


def check_sealed(store: Store, vault: Vault, audit: AuditLog, tenant: str, actor: str) -> Checked:
    """Open everything that one tenant's store holds sealed.

    Raises:
        KeysUnavailable: the key provider does not answer.
    """
    checker = Checker(store, vault, audit, tenant, actor)
    found = checker.found
    checker.messages()
    found.envelopes, found.versions, found.groups = (checker.values(kind) for kind in (ENVELOPES, VERSIONS, GROUPS))
    return found
