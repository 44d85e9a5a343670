"""Lost keys: what rests in the store on a key that the keystore has no more, or has changed.

A key that is gone takes everything below it along as shredding does, but nobody asked for it, and no row of the store
is missing. So whoever recounts the ledger looks at the keys as well.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

import msgspec

from gateway.errors import IntegrityViolated
from gateway.store import sealed
from gateway.store.opening import Store
from gateway.vault.keystore import Keystore

INTAKE = "intake"


class LostKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key that opens nothing any more."""

    tenant: str
    key_id: int
    reason: str
    """missing: no row is there; changed: it is not what was wrapped; destroyed: by nobody who shredded."""
    values: int
    """How many values of the store rest on it."""


def lost_keys(store: Store, keystore: Keystore, tenant: str) -> list[LostKey]:
    """Every key of one tenant that something rests on and that cannot open it, though nobody was shredded.

    Raises:
        KeysUnavailable: the key provider does not answer.
    """
    shredded = {owner for name, owner in keystore.shreds() if name == tenant}
    found = _suspects(keystore, tenant, shredded, store.read_sync(partial(sealed.resting, tenant=tenant)))
    if not found:
        return []
    # A rotation under way moves values away and then destroys the old key: only what rests there still is lost.
    still = store.read_sync(partial(sealed.resting, tenant=tenant))
    again = _suspects(keystore, tenant, shredded, Counter({one.key_id: still[one.key_id] for one in found}))
    return [one for one in again if one.values]


def _suspects(keystore: Keystore, tenant: str, shredded: set[bytes], resting: Counter[int]) -> list[LostKey]:
    found = []
    for key_id in sorted(resting):
        reason = _fault(keystore, tenant, key_id, shredded)
        if reason:
            found.append(LostKey(tenant=tenant, key_id=key_id, reason=reason, values=resting[key_id]))
    return found


def _fault(keystore: Keystore, tenant: str, key_id: int, shredded: set[bytes]) -> str:
    try:
        row = keystore.file.row(key_id)
        if row is None:
            return "missing"
        if row.tenant != tenant:
            return "changed"
        if row.wrapped:
            keystore.secret(row)
            return ""
    except IntegrityViolated:
        return "changed"
    # an intake key ends after its day; what an older copy of the store has under it is quarantined
    return "" if row.kind == INTAKE or row.owner in shredded else "destroyed"
