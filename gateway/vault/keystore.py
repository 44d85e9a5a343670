"""The keystore: every key that data keys hang on, wrapped from the root down.

Strategy. The key provider wraps one key per tenant; that key wraps the tenant's others; each of those wraps data keys.
All keys are made here, in one synced transaction however many there are, and before the data that needs them.

Encryptions are counted per key against the limit for random nonces. Counting each on disk would cost a sync each, so a
process sets a block of them aside first and counts within it in memory: what a crash or a forgotten key leaves unused
counts as used. The count is an upper bound, never too small.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import AccessRefused, IntegrityViolated
from gateway.vault.cipher import Wrapper, new_key
from gateway.vault.key import Key, Recent
from gateway.vault.keyfile import KeyFile, KeyRow
from gateway.vault.place import FORMAT, prefixed

if TYPE_CHECKING:
    from pydantic import BaseModel

    from gateway.hookspecs import KeyProvider

TENANT = "tenant"
PATIENT = "patient"
KINDS = frozenset({TENANT, PATIENT, "intake", "identity", "blind", "file", "signing"})
LIMIT = 2**32
"""Encryptions under one AES-GCM key with random nonces (NIST SP 800-38D)."""
BLOCK = {PATIENT: 1024}
"""Encryptions set aside at a time, by kind; few for patients, whose keys are loaded often and used little."""
BLOCK_OTHERWISE = 2**20
REMEMBERED = 50_000


class Keystore:
    """Keys by id, tenant, kind and owner. Safe to use from any thread.

    Raises from every method: ``KeysUnavailable`` when the provider does not answer, ``StoreUnavailable`` when the file
    cannot be used, ``IntegrityViolated`` when a key is not what it was.
    """

    def __init__(self, path: Path, provider: KeyProvider, provider_config: BaseModel) -> None:
        self._file = KeyFile(path)
        self._provider = provider
        self._config = provider_config
        self._keys: dict[int, Key] = {}
        self._patients: Recent[int, Key] = Recent(REMEMBERED)
        self._owners: dict[tuple[str, str, bytes], Key] = {}
        self._patient_owners: Recent[tuple[str, bytes], Key] = Recent(REMEMBERED)
        self._parents: dict[str, Wrapper] = {}

    @classmethod
    def create(cls, path: Path, provider: KeyProvider, provider_config: BaseModel) -> Keystore:
        """Make a new keystore (``gateway init``); ``InvalidConfiguration`` when there is one already."""
        KeyFile.create(path).close()
        return cls(path, provider, provider_config)

    def close(self) -> None:
        """Close the file; keys in memory are let go with the object."""
        self._file.close()

    def key(self, tenant: str, kind: str, owner: bytes = b"") -> int:
        """Id of a key, made when missing. ``owner`` tells keys of one kind apart: a day, a record id."""
        return self.loaded(tenant, kind, owner).id

    def loaded(self, tenant: str, kind: str, owner: bytes = b"") -> Key:
        """The same, as the key itself; for the vault."""
        if kind == PATIENT:
            return self._patients_of(tenant, [owner])[owner]
        found = self._owners.get((tenant, kind, owner))
        if found is None or not found.alive:
            if kind not in KINDS:
                raise ValueError(f"no such kind of key: {kind}")
            found = self._ensure(tenant, kind, [owner])[owner]
        return found

    def ensure_patients(self, tenant: str, owners: Iterable[bytes]) -> dict[bytes, int]:
        """Key ids of patients; all that are missing are made in one synced commit."""
        return {owner: key.id for owner, key in self._patients_of(tenant, owners).items()}

    def get(self, key_id: int) -> Key:
        """A key by id; ``AccessRefused`` when it was destroyed, ``IntegrityViolated`` when there never was one."""
        found = self._keys.get(key_id) or self._patients.get(key_id)
        if found is not None and found.alive:
            return found
        with self._file.lock:
            row = self._file.row(key_id)
            if row is None:
                raise IntegrityViolated("A sealed value names a key that the keystore lacks", where=f"key {key_id}")
            if not row.wrapped:
                raise AccessRefused("The key of this value was destroyed", where=f"key {key_id}")
            return self._remember(self._unwrap(row, allowed=0), row.owner)

    def spend(self, key: Key, count: int = 1) -> None:
        """Count encryptions about to be made; ``IntegrityViolated`` when a key has had all it may have."""
        used = next(key.uses)
        for _ in range(count - 1):
            used = next(key.uses)
        if used < key.allowed:
            return
        with self._file.lock:
            while used >= key.allowed:
                key.allowed += self._set_aside(key)

    def destroy(self, key_id: int) -> None:
        """Destroy a key for good: what only it can open stays closed, in every backup of the data too.

        Other processes on the same keystore hold keys in memory until they end.
        """
        with self._file.lock:
            row = self._file.row(key_id)
            if row is None:
                raise IntegrityViolated("The keystore has no such key", where=f"key {key_id}")
            with self._file.transaction():
                self._file.destroy(key_id)
            held = (
                self._keys.get(key_id), self._patients.get(key_id),
                self._owners.get((row.tenant, row.kind, row.owner)), self._patient_owners.get((row.tenant, row.owner)),
            )  # fmt: skip
            for key in held:
                if key is not None and key.id == key_id:
                    key.alive = False

    def database_key(self) -> bytes:
        """The 32-byte key of the embedded store's file; it belongs to the gateway, not to a tenant."""
        return self.loaded("", "file").derive("database")

    def shredded(self) -> list[int]:
        """Ids of all keys destroyed so far."""
        return self._file.shredded()

    def _patients_of(self, tenant: str, owners: Iterable[bytes]) -> dict[bytes, Key]:
        found: dict[bytes, Key] = {}
        missing: list[bytes] = []
        for owner in dict.fromkeys(owners):
            key = self._patient_owners.get((tenant, owner))
            if key is not None and key.alive and key.allowed:  # none allowed: it was loaded to open, not to seal
                found[owner] = key
            else:
                missing.append(owner)
        return found | self._ensure(tenant, PATIENT, missing) if missing else found

    def _ensure(self, tenant: str, kind: str, owners: Sequence[bytes]) -> dict[bytes, Key]:
        """Load keys and make the missing ones, with a block of encryptions set aside for each, in one commit."""
        block = BLOCK.get(kind, BLOCK_OTHERWISE)
        with self._file.lock:
            if kind != TENANT:
                self.spend(self.loaded(tenant, TENANT), len(owners))
            with self._file.transaction():
                rows = {row.owner: row for row in self._file.rows_of(tenant, kind, owners)}
                fresh = {owner for owner, row in rows.items() if row.uses + block <= LIMIT}
                self._file.set_uses([(rows[owner].key_id, rows[owner].uses + block) for owner in fresh])
                new_ids = itertools.count(self._file.next_id())
                made = [self._new(next(new_ids), tenant, kind, owner, block) for owner in owners if owner not in rows]
                self._file.insert(made)
            rows |= {row.owner: row for row in made}
            fresh |= {row.owner for row in made}
            return {
                owner: self._remember(self._unwrap(row, block if owner in fresh else 0), owner)
                for owner, row in rows.items()
            }

    def _set_aside(self, key: Key) -> int:
        """Put one more block of encryptions on record."""
        block = BLOCK.get(key.kind, BLOCK_OTHERWISE)
        with self._file.transaction():
            row = self._file.row(key.id)
            if row is None or not row.wrapped:
                raise AccessRefused("The key was destroyed", where=f"key {key.id}")
            if row.uses + block > LIMIT:
                raise IntegrityViolated(
                    "A key has made all the encryptions it may make", where=f"key {key.id}",
                    fix="Rotate the key: a new one for what is sealed from now on.",
                )  # fmt: skip
            self._file.set_uses([(key.id, row.uses + block)])
        return block

    def _remember(self, key: Key, owner: bytes) -> Key:
        if key.kind == PATIENT:
            self._patients.put(key.id, key)
            self._patient_owners.put((key.tenant, owner), key)
        else:
            self._keys[key.id] = key
            self._owners[key.tenant, key.kind, owner] = key
        return key

    def _new(self, key_id: int, tenant: str, kind: str, owner: bytes, uses: int) -> KeyRow:
        return KeyRow(key_id, tenant, kind, owner, self._wrap(new_key(), key_id, tenant, kind, owner), uses)

    def _wrap(self, secret: bytes, key_id: int, tenant: str, kind: str, owner: bytes) -> bytes:
        context = _context(key_id, tenant, kind, owner)
        if kind == TENANT:
            return self._provider.wrap(self._config, secret, context)
        return self._parent(tenant).wrap(secret, context)

    def _unwrap(self, row: KeyRow, allowed: int) -> Key:
        context = _context(row.key_id, row.tenant, row.kind, row.owner)
        if row.kind == TENANT:
            secret = self._provider.unwrap(self._config, row.wrapped, context)
        else:
            secret = self._parent(row.tenant).unwrap(row.wrapped, context)
        return Key(row.key_id, row.tenant, row.kind, secret, allowed)

    def _parent(self, tenant: str) -> Wrapper:
        found = self._parents.get(tenant)
        if found is None:
            found = self._parents[tenant] = Wrapper(self.loaded(tenant, TENANT).derive("keys"))
        return found


def _context(key_id: int, tenant: str, kind: str, owner: bytes) -> bytes:
    """What a wrapped key is bound to: its own row."""
    return bytes([FORMAT]) + prefixed(b"keystore", tenant.encode(), kind.encode(), owner, key_id.to_bytes(8, "big"))
