"""Re-wrapping: the data keys of what is stored follow their owner's newest key; nothing is opened for it.

Whoever serves at the same time keeps writing: a row is only replaced if it is still what was read, and whatever was
sealed meanwhile under an older key is found the next time round. The rotation is over when a whole round finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from gateway.errors import IntegrityViolated, Shredded
from gateway.flow.places import change_place, context_place, group_place, message_place
from gateway.store import sealed
from gateway.store.opening import Store
from gateway.store.rows import Found
from gateway.vault import Place, Vault
from gateway.vault.rotation import Rotation

PAGE = 1000

_PLACES: dict[str, Callable[[str, Any], Place]] = {
    "inbox": lambda tenant, row: message_place(tenant, row.message_id),
    "outcomes": lambda tenant, row: message_place(tenant, row.message_id),
    "contexts": lambda tenant, row: context_place(tenant, row.context_id),
    "changes": lambda tenant, row: change_place(tenant, row.record_id, row.version),
    "reactor_groups": lambda tenant, row: group_place(tenant, row.reactor, row.group_id),
}


def rewrap_left(store: Store, vault: Vault, tenant: str) -> int:
    """How many stored values hang on a retired key."""
    retired = Rotation(vault.keystore).successors(tenant)
    if not retired:
        return 0
    counts = store.read_sync(lambda connection: sealed.resting(connection, tenant))
    return sum(count for key_id, count in counts.items() if key_id in retired)


def rewrap_stored(store: Store, vault: Vault, tenant: str) -> int:
    """Go through everything stored once and move what hangs on a retired key; how many values were moved."""
    retired = Rotation(vault.keystore).successors(tenant)
    if not retired:
        return 0
    return sum(_table(store, vault, tenant, holder, retired) for holder in sealed.HOLDERS)


def _table(
    store: Store, vault: Vault, tenant: str, holder: sealed.Holder, retired: dict[int, tuple[str, bytes]]
) -> int:
    moved = 0
    after: tuple[Any, ...] | None = None
    while rows := store.read_sync(partial(sealed.page, holder=holder, tenant=tenant, after=after, most=PAGE)):
        wanted = [row for row in rows if row.key_id in retired]
        done = [one for row in wanted if (one := _moved(vault, tenant, holder, row, retired)) is not None]
        if done:
            store.write_sync(partial(sealed.move, holder=holder, tenant=tenant, moved=done))
        moved += len(done)
        after = sealed.place(holder, rows[-1])
    return moved


def _moved(
    vault: Vault, tenant: str, holder: sealed.Holder, row: Found, retired: dict[int, tuple[str, bytes]]
) -> tuple[Found, int, bytes] | None:
    """The row's data key under its owner's newest key; None for a damaged one, which stays as evidence."""
    kind, owner = retired[row.key_id]
    place = _PLACES[holder.table.name](tenant, row)
    try:
        key_id, wrapped = vault.rewrap((row.key_id, row.wrapped), place, vault.keystore.key(tenant, kind, owner))
    except (IntegrityViolated, Shredded):
        return None
    return row, key_id, wrapped
