"""Addresses: where subscriptions lead to, and what their clients asked for in words, sealed as patients' data is.

Whoever knows the address of a REST hook may post to it, and a client may write into its reason what it likes. What
an older version kept in the clear is read as it is and sealed when it is next served.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gateway.audit import AuditLog
from gateway.store.opening import Store
from gateway.vault import Place, Sealed, Vault, row_bytes

_OWNER = b"subscriptions"
_SEALED = "sealed:"


class Address(msgspec.Struct, frozen=True):
    """What is sealed of one subscription."""

    url: str
    asked: str = ""
    """What a FHIR client asked for, JSON; empty of a REST hook."""


class Addresses:
    """Seals and opens the addresses of subscriptions."""

    def __init__(self, store: Store, vault: Vault, audit: AuditLog) -> None:
        self._store = store
        self._vault = vault
        self._audit = audit

    def seal(self, tenant: str, subscription: str, address: Address) -> str:
        """An address as the subscription's row holds it."""
        key = self._vault.keystore.key(tenant, "file", _OWNER)
        sealed = self._vault.seal(key, _place(tenant, subscription), msgspec.json.encode(address))
        parts = (base64.b64encode(part).decode("ascii") for part in (sealed.wrapped, sealed.box))
        return f"{_SEALED}{sealed.key_id}:{':'.join(parts)}"

    def open(self, tenant: str, rows: Iterable[Any], actor: str) -> Mapping[str, Address]:
        """Addresses by subscription, opened under an access entry that names them. Blocks: call it in a thread.

        Raises:
            IntegrityViolated: a row is not what was sealed.
        """
        found = {row.subscription: Address(row.url, row.asked) for row in rows if not is_sealed(row)}
        boxes = {row.subscription: row.url for row in rows if is_sealed(row)}
        if boxes:
            entry = self._audit.entry(
                tenant, action="access", actor=actor, purpose="operations", subscriptions=sorted(boxes)
            )
            self._store.write_sync(lambda connection: self._audit.append(connection, entry))
            with self._audit.grant(entry) as grant:
                for subscription, text in boxes.items():
                    key, wrapped, box = text.removeprefix(_SEALED).split(":")
                    sealed = Sealed(int(key), base64.b64decode(wrapped), base64.b64decode(box))
                    body = self._vault.open(grant, _place(tenant, subscription), sealed)
                    found[subscription] = msgspec.json.decode(body, type=Address)
        return found


def is_sealed(row: Any) -> bool:
    """Whether a row was written by a version that seals."""
    return str(row.url).startswith(_SEALED)


def _place(tenant: str, subscription: str) -> Place:
    return Place(tenant, "subscriptions", "url", row_bytes(subscription))
