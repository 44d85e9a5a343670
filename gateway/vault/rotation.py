"""Rotation: newer keys above and below, a step at a time, while everything goes on.

Strategy. A key is never changed: a newer one takes its owner over and the older one *retires*, which means that it only
opens. Every step is one commit and looks for what is left to do rather than remembering what was done; so a rotation
that was cut off anywhere is gone on with by asking for the same again, and it is over when nothing is left.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from gateway.errors import IntegrityViolated
from gateway.vault.keyfile import KeyRow
from gateway.vault.keystore import BLOCK, PATIENT, TENANT, Keystore

STEP = 2000
"""Keys per commit."""


class Rotation:
    """Steps of rotating the keys of one keystore."""

    def __init__(self, keystore: Keystore) -> None:
        self._keystore = keystore
        self._file = keystore.file

    # --- the root ---------------------------------------------------------------------------------------------------

    def root_left(self) -> int:
        """How many tenant keys the present root does not open yet."""
        return sum(not self._keystore.is_under_root(row) for row in self._tenant_keys())

    def root(self) -> int:
        """Wrap every tenant key by the present root, in one commit; how many there are.

        The provider's own newer version of the same root counts as well: each is wrapped anew.
        """
        keystore = self._keystore
        done = [
            (keystore.wrapped(row, keystore.secret(row)), 0, row.key_id, row.wrapped) for row in self._tenant_keys()
        ]
        with self._file.transaction():
            self._file.rewrap(done)
        return len(done)

    def _tenant_keys(self) -> list[KeyRow]:
        return [row for tenant in self._file.tenants() for row in self._file.living(tenant, TENANT)]

    # --- a tenant's key -----------------------------------------------------------------------------------------------

    def begin_tenant(self, tenant: str) -> int:
        """Give a tenant a new key, unless keys below it still hang on the one before; the id of the key in use."""
        with self._file.lock:
            current = self._keystore.loaded(tenant, TENANT).id
            if self.tenant_left(tenant):
                return current
            with self._file.transaction():
                self._file.retire([current])
                row = self._keystore.new_row(self._file.next_id(), tenant, TENANT, b"", 0, 0)
                self._file.insert([row])
            self._keystore.refresh()
            return row.key_id

    def tenant_left(self, tenant: str) -> int:
        """How many keys still hang on an older key of the tenant."""
        return self._file.count_wrapped_by_others(tenant, self._keystore.loaded(tenant, TENANT).id)

    def tenant_step(self, tenant: str, most: int = STEP) -> int:
        """Move keys below the tenant's newest one; how many were moved, 0 when none is left."""
        current = self._keystore.loaded(tenant, TENANT)
        rows = self._file.wrapped_by_others(tenant, current.id, most)
        if not rows:
            return 0
        self._keystore.spend(current, len(rows))
        done = []
        for row in rows:
            moved = KeyRow(row.key_id, tenant, row.kind, row.owner, b"", row.uses, current.id)
            done.append(
                (self._keystore.wrapped(moved, self._keystore.secret(row)), current.id, row.key_id, row.wrapped)
            )
        with self._file.transaction():
            self._file.rewrap(done)
        return len(rows)

    # --- patients' keys -----------------------------------------------------------------------------------------------

    def begin_patients(self, tenant: str) -> None:
        """Have every patient's present key replaced, unless that is under way."""
        with self._file.transaction():
            if self._file.rotation(tenant, PATIENT) is None:
                self._file.set_rotation(tenant, PATIENT, self._file.next_id() - 1)

    def patients_left(self, tenant: str) -> int:
        """How many patients still seal with a key that is to be replaced."""
        upto = self._file.rotation(tenant, PATIENT)
        return 0 if upto is None else len(self._file.older(tenant, PATIENT, upto, -1))

    def patients_step(self, tenant: str, most: int = STEP) -> int:
        """Give patients new keys; how many got one, 0 when none is left."""
        upto = self._file.rotation(tenant, PATIENT)
        if upto is None:
            return 0
        parent = self._keystore.loaded(tenant, TENANT)
        self._keystore.spend(parent, len(self._file.older(tenant, PATIENT, upto, most)))
        with self._file.transaction():
            rows = self._file.older(tenant, PATIENT, upto, most)  # anew: one may have been shredded since
            self._file.retire([row.key_id for row in rows])
            ids = itertools.count(self._file.next_id())
            self._file.insert(
                [
                    self._keystore.new_row(next(ids), tenant, PATIENT, row.owner, BLOCK[PATIENT], parent.id)
                    for row in rows
                ]
            )
            if not rows:
                self._file.set_rotation(tenant, PATIENT, None)
        self._keystore.refresh()
        return len(rows)

    # --- what retired -------------------------------------------------------------------------------------------------

    def successors(self, tenant: str) -> dict[int, tuple[str, bytes]]:
        """Kind and owner of every retired key whose owner has a newer one: what it holds belongs under that."""
        return {key_id: (kind, owner) for key_id, (kind, owner, _) in self._file.retired(tenant).items()}

    def destroy_retired(self, tenant: str, resting: frozenset[int], days: int) -> int:
        """Destroy keys that retired more than ``days`` ago and that nothing rests on; how many.

        Args:
            tenant: whose keys.
            resting: ids of keys that some sealed value still needs.
            days: how long they are kept for backups from before the rotation.
        """
        before = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
        retired = self._file.retired(tenant)
        parents = {row.parent for key in self._kinds() for row in self._file.living(tenant, key)} if retired else set()
        ended = [
            key_id for key_id, (_, _, since) in retired.items()
            if key_id not in resting and key_id not in parents and since <= before
        ]  # fmt: skip
        self.destroy(ended)
        return len(ended)

    def destroy(self, key_ids: Sequence[int]) -> None:
        """Destroy keys of which nothing is needed any more, in one commit."""
        with self._file.transaction():
            for key_id in key_ids:
                if self._file.row(key_id) is None:
                    raise IntegrityViolated("The keystore has no such key", where=f"key {key_id}")
                self._file.destroy(key_id)
        self._keystore.refresh()

    def _kinds(self) -> tuple[str, ...]:
        return (PATIENT, "intake", "identity", "blind", "file", "signing")
