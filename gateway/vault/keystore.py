"""The keystore: every key that data keys hang on, wrapped from the root down.

Strategy. The key provider wraps one key per tenant; that key wraps the tenant's others; each of those wraps data keys.
All keys are made here, in one synced transaction however many there are, and before the data that needs them.

Encryptions are counted per key against the limit for random nonces. Counting each on disk would cost a sync each, so a
process sets a block of them aside first and counts within it in memory: what a crash or a forgotten key leaves unused
counts as used. The count is an upper bound, never too small.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import IntegrityViolated, KeysUnavailable, Shredded, Stop
from gateway.vault.cipher import Wrapper, new_key
from gateway.vault.key import Awake, Key, Recent
from gateway.vault.keyfile import KeyFile, KeyRow
from gateway.vault.place import FORMAT, prefixed
from gateway.vault.root import CACHE_SECONDS, Provided, Root

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
REMEMBERED = 20_000
"""Patients whose keys are held, at some 600 bytes each: those of several large clinics' day."""
AWAKE = 2048
"""Keys with a cipher set up: those of the patients whom a few batches concern."""


class Keystore:
    """Keys by id, tenant, kind and owner. Safe to use from any thread.

    Raises from every method: ``KeysUnavailable`` when the provider does not answer, ``StoreUnavailable`` when the file
    cannot be used, ``IntegrityViolated`` when a key is not what it was.
    """

    def __init__(
        self, path: Path, provider: KeyProvider, provider_config: BaseModel, *, previous: Provided | None = None,
        cache_seconds: float = CACHE_SECONDS, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.file = KeyFile(path)
        self._root = Root((provider, provider_config), previous, cache_seconds, clock)
        self._awake = Awake(AWAKE)
        self._keys: dict[int, Key] = {}
        self._patients: Recent[int, Key] = Recent(REMEMBERED)
        self._owners: dict[tuple[str, str, bytes], Key] = {}
        self._patient_owners: Recent[tuple[str, bytes], Key] = Recent(REMEMBERED)
        self._parents: dict[int, Wrapper] = {}
        self._epoch = self.file.epoch()
        self._shreds = self.file.shreds()

    @classmethod
    def create(cls, path: Path, provider: KeyProvider, provider_config: BaseModel) -> Keystore:
        """Make a new keystore (``gateway init``); ``InvalidConfiguration`` when there is one already."""
        KeyFile.create(path).close()
        return cls(path, provider, provider_config)

    def close(self) -> None:
        """Close the file; keys in memory are let go with the object."""
        self.file.close()

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
        """A key by id; ``Shredded`` when it was destroyed, ``IntegrityViolated`` when there never was one."""
        found = self._keys.get(key_id) or self._patients.get(key_id)
        if found is not None and found.alive:
            return found
        with self.file.lock:
            row = self.file.row(key_id)
            if row is None:
                raise IntegrityViolated("A sealed value names a key that the keystore lacks", where=f"key {key_id}")
            if not row.wrapped:
                raise Shredded("The key of this value was destroyed", where=f"key {key_id}")
            return self._remember(Key(row.key_id, row.tenant, row.kind, self.secret(row), 0, self._awake), row)

    def check_heard(self, tenant: str) -> None:
        """Refuse to read on when the key provider was not heard for longer than its keys may be cached.

        Raises:
            KeysUnavailable: it does not answer, or no longer gives out the tenant's key.
        """
        self._root.check_heard(tenant, self._ask)

    def refresh(self) -> None:
        """Take note of what other processes did to keys, and hear the provider before its keys are too old to use."""
        epoch = self.file.epoch()
        if epoch != self._epoch:
            self._forget()
            self._epoch = epoch
        self._root.renew(self._ask)

    def is_shredded(self, tenant: str, owner: bytes) -> bool:
        """Whether this owner is on the shred list, as far as this process has heard."""
        return (tenant, owner) in self._shreds

    def shreds(self) -> frozenset[tuple[str, bytes]]:
        """The shred list: (tenant, owner)."""
        return frozenset(self.file.shreds())

    def keys_of(self, tenant: str, patient: bytes) -> list[KeyRow]:
        """Rows of all of a patient's keys that are not destroyed, retired ones too."""
        return self.file.living(tenant, PATIENT, patient)

    def retired_intake(self, tenant: str, before: bytes) -> list[KeyRow]:
        """Intake keys of days before ``before`` (ISO date), with which nothing is sealed any more."""
        return [row for row in self.file.living(tenant, "intake") if row.owner < before]

    def shred(self, tenant: str, owner: bytes) -> list[KeyRow]:
        """Destroy every key of an owner for good and give it none again; the rows as they were."""
        with self.file.lock:
            rows = self.file.living(tenant, PATIENT, owner)
            with self.file.transaction():
                for row in rows:
                    self.file.destroy(row.key_id)
                self.file.add_shred(tenant, owner)
            self.refresh()
        return rows

    def spend(self, key: Key, count: int = 1) -> None:
        """Count encryptions about to be made; ``IntegrityViolated`` when a key has had all it may have."""
        used = next(key.uses)
        for _ in range(count - 1):
            used = next(key.uses)
        if used < key.allowed:
            return
        with self.file.lock:
            while used >= key.allowed:
                key.allowed += self._set_aside(key)

    def destroy(self, key_id: int) -> None:
        """Destroy a key for good: what only it can open stays closed, in every backup of the data too.

        Other processes on the same keystore hold keys in memory until they end.
        """
        with self.file.lock:
            row = self.file.row(key_id)
            if row is None:
                raise IntegrityViolated("The keystore has no such key", where=f"key {key_id}")
            with self.file.transaction():
                self.file.destroy(key_id)
            self.refresh()

    def database_key(self) -> bytes:
        """The 32-byte key of the embedded store's file; it belongs to the gateway, not to a tenant."""
        return self.loaded("", "file").derive("database")

    def has(self, tenant: str, kind: str, owner: bytes) -> bool:
        """Whether there is such a key; none is made."""
        return bool(self.file.rows_of(tenant, kind, [owner]))

    def shredded(self) -> list[int]:
        """Ids of all keys destroyed so far."""
        return self.file.shredded()

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
        with self.file.lock:
            if kind != TENANT:
                self.spend(self.loaded(tenant, TENANT), len(owners))
            parent = 0 if kind == TENANT else self.loaded(tenant, TENANT).id
            with self.file.transaction():
                rows = {row.owner: row for row in self.file.rows_of(tenant, kind, owners)}
                fresh = {owner for owner, row in rows.items() if row.uses + block <= LIMIT}
                self.file.set_uses([(rows[owner].key_id, rows[owner].uses + block) for owner in fresh])
                lacking = [owner for owner in owners if owner not in rows]
                if lacking and kind == PATIENT and any((tenant, owner) in self.file.shreds() for owner in lacking):
                    raise Shredded("This patient was shredded and gets no key again", where=f"tenant {tenant}")
                new_ids = itertools.count(self.file.next_id())
                made = [self.new_row(next(new_ids), tenant, kind, owner, block, parent) for owner in lacking]
                self.file.insert(made)
            rows |= {row.owner: row for row in made}
            fresh |= {row.owner for row in made}
            return {owner: self._loaded(row, block if owner in fresh else 0) for owner, row in rows.items()}

    def _set_aside(self, key: Key) -> int:
        """Put one more block of encryptions on record."""
        block = BLOCK.get(key.kind, BLOCK_OTHERWISE)
        with self.file.transaction():
            row = self.file.row(key.id)
            if row is None or not row.wrapped:
                raise Shredded("The key was destroyed", where=f"key {key.id}")
            if row.uses + block > LIMIT:
                raise IntegrityViolated(
                    "A key has made all the encryptions it may make", where=f"key {key.id}",
                    fix="Rotate the key: a new one for what is sealed from now on.",
                )  # fmt: skip
            self.file.set_uses([(key.id, row.uses + block)])
        return block

    def _loaded(self, row: KeyRow, allowed: int) -> Key:
        return self._remember(Key(row.key_id, row.tenant, row.kind, self.secret(row), allowed, self._awake), row)

    def _remember(self, key: Key, row: KeyRow) -> Key:
        if key.kind == PATIENT:
            self._patients.put(key.id, key)
            if row.retired is None:
                self._patient_owners.put((key.tenant, row.owner), key)
        else:
            self._keys[key.id] = key
            if row.retired is None and key.allowed:  # none allowed: it was loaded to open, not to seal
                self._owners[key.tenant, key.kind, row.owner] = key
        return key

    def _forget(self) -> None:
        """Let go of keys that were destroyed, and of what seals for whom: it may be another key now."""
        self._shreds = self.file.shreds()
        self._patients, self._patient_owners = Recent(REMEMBERED), Recent(REMEMBERED)
        self._owners = {}
        for key in list(self._keys.values()):
            row = self.file.row(key.id)
            if row is None or not row.wrapped:
                key.alive = False
                del self._keys[key.id]
            elif row.retired is None and key.allowed:
                self._owners[key.tenant, key.kind, row.owner] = key

    def _ask(self, tenant: str) -> bool:
        """Hear the provider again by having it open the tenant's key; whether it did."""
        try:
            for row in self.file.living(tenant, TENANT):
                if row.retired is None:
                    self.secret(row)
        except (KeysUnavailable, Stop):
            return False
        return True

    # --- wrapped forms ----------------------------------------------------------------------------------------------

    def new_row(self, key_id: int, tenant: str, kind: str, owner: bytes, uses: int, parent: int) -> KeyRow:
        """A row with a new key in it."""
        row = KeyRow(key_id, tenant, kind, owner, b"", uses, parent)
        return KeyRow(key_id, tenant, kind, owner, self.wrapped(row, new_key()), uses, parent)

    def wrapped(self, row: KeyRow, secret: bytes) -> bytes:
        """The wrapped form of a key for this row: by the root for a tenant's, else by the row's parent."""
        if row.kind == TENANT:
            return self._root.wrap(secret, _context(row))
        return self._parent(row.parent).wrap(secret, _context(row))

    def secret(self, row: KeyRow) -> bytes:
        """What a row's wrapped form holds; a tenant's key may still be wrapped by the root before this one."""
        if row.kind == TENANT:
            return self._root.unwrap(row.tenant, row.wrapped, _context(row))
        return self._parent(row.parent).unwrap(row.wrapped, _context(row))

    def is_under_root(self, row: KeyRow) -> bool:
        """Whether a tenant's key is wrapped by the present root."""
        return self._root.own(row.wrapped, _context(row)) is not None

    def _parent(self, key_id: int) -> Wrapper:
        found = self._parents.get(key_id)
        if found is None:
            found = self._parents[key_id] = Wrapper(self.get(key_id).derive("keys"))
        return found


def _context(row: KeyRow) -> bytes:
    """What a wrapped key is bound to: its own row."""
    parts = (b"keystore", row.tenant.encode(), row.kind.encode(), row.owner, row.key_id.to_bytes(8, "big"))
    return bytes([FORMAT]) + prefixed(*parts)
