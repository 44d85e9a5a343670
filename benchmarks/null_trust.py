"""A vault that seals nothing and an audit log that keeps nothing: what trust costs is measured against them.

They exist here only. Ids, digests and blind indexes stay as they are, for a pipeline without trust needs them as well;
the database file is encrypted either way.
"""

# ruff: noqa: ARG002 - a null object takes what the real one takes, and needs none of it
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from gateway.audit import AuditLog, Entry
from gateway.bootstrap import Gateway
from gateway.vault import Grant, Keystore, Place, Sealed, Vault

UNWRAPPED = b"\0"
"""In the place of a data key: a value without one counts as dropped."""


class NullKeystore:
    """The real one, without a key for each patient."""

    def __init__(self, keystore: Keystore) -> None:
        self._keystore = keystore

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keystore, name)

    def ensure_patients(self, tenant: str, owners: Iterable[bytes]) -> dict[bytes, int]:
        return dict.fromkeys(owners, self._keystore.key(tenant, "tenant"))


class NullVault(Vault):
    """What is sealed is the value itself."""

    def seal(self, key_id: int, place: Place, plaintext: bytes) -> Sealed:
        return Sealed(key_id, UNWRAPPED, plaintext)

    def rewrap(self, sealed_key: tuple[int, bytes], place: Place, new_key_id: int) -> tuple[int, bytes]:
        return new_key_id, sealed_key[1]

    def open(self, grant: Grant, place: Place, sealed: Sealed) -> bytes:
        return sealed.box


class NullGrant(Grant):
    """Leave to open everything."""

    __slots__ = ()

    def covers(self, place: Place) -> bool:
        return True


class NullAudit(AuditLog):
    """Gives leave to everything and writes nothing down."""

    entry = staticmethod(lambda tenant, **_: Entry(tenant, b"", {}))

    def append(self, connection: Connection, entry: Entry) -> None:
        pass

    def grant(self, entry: Entry) -> Grant:
        return NullGrant(entry.tenant, frozenset(), lambda _: None)


def without_audit(gateway: Gateway) -> None:
    """From now on nothing is written down."""
    gateway.audit = NullAudit(gateway.store)
    gateway.vault = Vault(gateway.vault.keystore, lambda _: True)


def without_trust(gateway: Gateway) -> None:
    """From now on nothing is sealed or written down."""
    without_audit(gateway)
    gateway.vault = NullVault(NullKeystore(gateway.vault.keystore), lambda _: True)
