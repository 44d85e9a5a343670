"""Release: messages are read again for the fields that were held, and only for those."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.flow.clock import micros
from gateway.flow.quarantine import read_again
from gateway.store import drift
from gateway.store.opening import Store

PAGE = 200


def release_all(store: Store, key: Mapping[str, str], state: str, mapping: bytes | None = None) -> int:
    """Close an alarm and let every message wait again that is held for it; how many, a page to a commit.

    Args:
        store: where.
        key: of the alarm.
        state: what the alarm is from now on.
        mapping: hash of the mapping that they are read by from now on, where that is why.
    """
    count = 0
    while released := store.write_sync(partial(_page, key=key, state=state, mapping=mapping)):
        count += released
    return count


def accept(store: Store, audit: AuditLog, key: Mapping[str, str], actor: str, name: str) -> int:
    """A person says that this is how the source's records look from now on; how many messages are read again."""
    entry = audit.entry(key["tenant"], action="accept-drift", actor=actor, purpose="operations", outcome=name)
    store.write_sync(lambda connection: audit.append(connection, entry))
    return release_all(store, key, "accepted")


def _page(connection: Connection, key: Mapping[str, str], state: str, mapping: bytes | None) -> int:
    tenant = key["tenant"]
    drift.settle_alarm(connection, key, state, micros(), mapping)
    rows = drift.held_for(connection, key, PAGE)
    ids = sorted({row.message_id for row in rows})
    again = {message_id for message_id in ids if read_again(connection, tenant, message_id)}
    drift.mark_released(connection, again, key)
    gone = [(bytes(row.record_id), row.field) for row in rows if row.message_id not in again]
    drift.drop_held(connection, tenant, gone)
    return len(ids)
