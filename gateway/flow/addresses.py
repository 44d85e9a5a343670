"""Addresses: where subscriptions lead to, and what their clients asked for in words, sealed as patients' data is.

Whoever knows the address of a REST hook may post to it, and a client may write into its reason what it likes. What
an older version kept in the clear is read as it is and sealed when it is next served.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from gateway.audit import AuditLog
from gateway.errors import Shredded
from gateway.flow.taking import opened
from gateway.store.opening import Store
from gateway.vault import Place, Sealed, Vault, row_bytes

_OWNER = b"subscriptions"
_SEALED = "sealed:"


class Address(msgspec.Struct, frozen=True):
    """What is sealed of one subscription."""

    url: str
    asked: str = ""
    """What a FHIR client asked for, JSON; empty of a REST hook."""
    authorization: str = ""
    """What its endpoint wants to be shown, as the value of that header; empty where it wants nothing."""


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

        One that is not what was sealed is left out and heard of: it may cost its subscription only.
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
                    with suppress(Shredded):
                        body = opened(self._vault, grant, _place(tenant, subscription), _sealed(text))
                        if body is not None:
                            found[subscription] = msgspec.json.decode(body, type=Address)
        return found


def is_sealed(row: Any) -> bool:
    """Whether a row was written by a version that seals."""
    return str(row.url).startswith(_SEALED)


def _sealed(text: str) -> Sealed:
    """The parts of a row's text; of one that was cut or changed, parts that open nothing."""
    key, _, rest = text.removeprefix(_SEALED).partition(":")
    wrapped, _, box = rest.partition(":")
    try:
        return Sealed(int(key), base64.b64decode(wrapped, validate=True), base64.b64decode(box, validate=True))
    except ValueError:
        return Sealed(0, b"", b"")


def _place(tenant: str, subscription: str) -> Place:
    return Place(tenant, "subscriptions", "url", row_bytes(subscription))
