"""Rows from before they were bound: each gets its MAC once, at the first start after the upgrade, and never again.

That it was done is marked in the keystore, which nobody can reach who can only write to the database: from then on a
row without a MAC is one that the gateway did not write, and emptying a MAC makes no row one from before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog

from gateway.audit import AuditLog
from gateway.store import bound
from gateway.store.opening import Store
from gateway.vault import Keystore

MARK = ("", "file", b"rows-bound")
"""The key of the house whose being there says that it was done: only who has the root can make one."""
STEP = 10_000
"""Rows per commit."""

log = structlog.get_logger(__name__)


def bind_first(store: Store, keystore: Keystore, audit: AuditLog, tenants: Sequence[str]) -> None:
    """Bind what is there, unless that was done before. Cut off anywhere, the next start goes on.

    Raises:
        StoreUnavailable: the database or the keystore does not answer; nothing is marked.
    """
    if store.dialect != "postgresql" or keystore.has(*MARK):
        return
    counts = bind_rows(store)
    if counts:
        _log(audit, tenants, counts, "upgrade")
    keystore.key(*MARK)


def bind_again(store: Store, audit: AuditLog, tenants: Sequence[str], actor: str, reason: str) -> dict[str, int]:
    """Bind rows without a MAC on somebody's word, as after a restored copy from before the upgrade; how many by table.

    Rows whose MAC is wrong stay so.
    """
    counts = bind_rows(store)
    _log(audit, tenants, counts, reason, actor)
    return counts


def bind_rows(store: Store) -> dict[str, int]:
    """Give every row without a MAC its own, table by table; how many there were, by table that had some."""
    found = {}
    for name in bound.NAMES:
        count = _bind_table(store, name)
        if count:
            log.info("rows-bound", what=name, count=count)
            found[name] = count
    return found


def _bind_table(store: Store, name: str) -> int:
    count, after = 0, None
    while True:
        step = partial[tuple[int, Sequence[Any] | None]](bound.bind_some, name=name, after=after, most=STEP)
        some, after = store.write_sync(step)
        count += some
        if after is None:
            return count


def _log(
    audit: AuditLog, tenants: Sequence[str], counts: dict[str, int], reason: str, actor: str = "gateway:start"
) -> None:
    for tenant in tenants:
        entry = audit.entry(tenant, action="bind", actor=actor, purpose="operations", outcome=reason, counts=counts)
        audit.commit(entry)
