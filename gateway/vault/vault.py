"""The vault: sealing, opening under a grant, keyed ids and digests.

Strategy. Every value has a data key of its own, made here, wrapped under a key of the keystore and stored beside the
value; so moving a value to another key is re-wrapping 32 bytes. Opening demands a grant, which the audit log gives only
for an access entry it finds committed; there is no other way in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.errors import AccessRefused, Shredded
from gateway.model.identity import RecordId
from gateway.vault.cipher import Mac
from gateway.vault.grant import Grant
from gateway.vault.key import Key
from gateway.vault.keystore import Keystore
from gateway.vault.place import Place, binding, prefixed

DAY = 86_400
BLIND = 16
"""Bytes of a blind index: enough to be unique, half of what it would reveal to a dictionary over a stolen key."""
RECENT_IDS = 8192
"""Record ids kept ready: one message names its patient several times, and a clinic has few therapists and places."""
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Sealed(msgspec.Struct, frozen=True, gc=False):
    """A sealed value: which key holds its data key, the wrapped data key, and the box with the value.

    A row whose value was dropped when its time to be kept was over has none of them, and opens no more.
    """

    key_id: int
    wrapped: bytes
    box: bytes


class Vault:
    """Everything that encrypts, decrypts or derives from a tenant's keys. Safe to use from any thread.

    Args:
        keystore: where the keys are.
        is_committed: whether a grant is one that the audit log gave out and has not taken back.
    """

    def __init__(self, keystore: Keystore, is_committed: Callable[[Grant], bool]) -> None:
        self.keystore = keystore
        self._is_committed = is_committed
        self._intake: dict[str, tuple[int, int]] = {}
        self._identities: dict[tuple[str, str, str], tuple[Mac, bytes]] = {}
        """By tenant, source and type: the key of their record ids, and what stands before the native id."""
        self._record_id = lru_cache(RECENT_IDS)(self._make_record_id)
        self._macs: dict[tuple[str, str, str], Mac] = {}

    def seal(self, key_id: int, place: Place, plaintext: bytes) -> Sealed:
        """Encrypt a value for one place under a fresh data key.

        Raises:
            AccessRefused: the key is another tenant's or was destroyed.
            IntegrityViolated: the key has made all the encryptions it may make.
        """
        key = self._key(key_id, place)
        self.keystore.spend(key)
        bound = binding(place)
        wrapped, box = key.wrapper.seal(plaintext, bound, bound + key_id.to_bytes(8, "big"))
        return Sealed(key_id, wrapped, box)

    def rewrap(self, sealed_key: tuple[int, bytes], place: Place, new_key_id: int) -> tuple[int, bytes]:
        """Move a value's data key under another key of its tenant; the box stays as it is and nothing is opened."""
        key_id, wrapped = sealed_key
        old, new = self._key(key_id, place), self._key(new_key_id, place)
        bound = binding(place)
        data_key = old.wrapper.unwrap(wrapped, bound + key_id.to_bytes(8, "big"))
        self.keystore.spend(new)
        return new_key_id, new.wrapper.wrap(data_key, bound + new_key_id.to_bytes(8, "big"))

    def open(self, grant: Grant, place: Place, sealed: Sealed) -> bytes:
        """Decrypt a value.

        Raises:
            AccessRefused: the grant was not given by the audit log, is over, or does not name this row.
            Shredded: the key was destroyed, or the value was dropped.
            KeysUnavailable: the key provider was not heard for longer than its keys may be cached.
            IntegrityViolated: the value, its key or its place was changed.
        """
        if not self._is_committed(grant):
            raise AccessRefused("A sealed value was asked for without a committed access entry", where=place.table)
        if not grant.covers(place):
            raise AccessRefused("The access entry does not name this row", where=place.table)
        if not sealed.wrapped or not sealed.box:
            raise Shredded("The value was dropped when its time to be kept was over", where=place.table)
        self.keystore.check_heard(place.tenant)
        key = self._key(sealed.key_id, place)
        bound = binding(place)
        return key.wrapper.open(sealed.wrapped, sealed.box, bound, bound + sealed.key_id.to_bytes(8, "big"))

    def intake_key(self, tenant: str) -> int:
        """Id of today's intake key (UTC): holds data keys of messages whose patient is not known yet."""
        today = int(time.time()) // DAY
        found = self._intake.get(tenant)
        if found is None or found[0] != today:
            owner = time.strftime("%Y-%m-%d", time.gmtime(today * DAY)).encode()
            found = self._intake[tenant] = (today, self.keystore.key(tenant, "intake", owner))
        return found[1]

    def record_id(self, tenant: str, source: str, type: str, native_id: str) -> RecordId:
        """The gateway's id of a source's record: a UUIDv8, the same every time, and no way back to the native id."""
        return self._record_id(tenant, source, type, native_id)

    def _make_record_id(self, tenant: str, source: str, type: str, native_id: str) -> RecordId:
        known = self._identities.get((tenant, source, type))
        if known is None:
            mac = self._mac(tenant, "identity", "record-id")
            known = self._identities[tenant, source, type] = mac, prefixed(source.encode(), type.encode())
        native = native_id.encode()
        text = known[0].digest(known[1] + len(native).to_bytes(4, "big") + native).hex()
        return RecordId(f"{text[:8]}-{text[8:12]}-8{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}")

    def digest(self, tenant: str, data: bytes) -> bytes:
        """32 bytes that are equal for equal data of one tenant, and tell nobody without the key what the data was."""
        return self._mac(tenant, "identity", "digest").digest(data)

    def blind(self, tenant: str, column: str, value: str) -> bytes:
        """Blind index of a value (normalised by the caller): equal values of one column are equal, nothing else shows.

        Only for columns whose values are too many to guess and too even to count.
        """
        return self._mac(tenant, "blind", f"blind/{column}").digest(value.encode())[:BLIND]

    def signing_key(self, tenant: str) -> Ed25519PrivateKey:
        """The Ed25519 key that signs the tenant's audit checkpoints."""
        return Ed25519PrivateKey.from_private_bytes(self.keystore.loaded(tenant, "signing").derive("checkpoint"))

    def _key(self, key_id: int, place: Place) -> Key:
        key = self.keystore.get(key_id)
        if key.tenant != place.tenant:
            raise AccessRefused("A key of another tenant was asked for", where=place.table)
        return key

    def _mac(self, tenant: str, kind: str, purpose: str) -> Mac:
        found = self._macs.get((tenant, kind, purpose))
        if found is None:
            found = self._macs[tenant, kind, purpose] = Mac(self.keystore.loaded(tenant, kind).derive(purpose))
        return found
