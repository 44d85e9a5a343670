"""Veil: what hides a patient in a delivery without identifiers, its envelope included.

Days and codes are keyed digests of the tenant's key, apart for each recipient: the same recipient can follow a patient,
two of them cannot put their copies together, and nobody without the key can go back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.access import Veil
from gateway.flow.clock import moment
from gateway.flow.route import order_key
from gateway.model.exchange import Delivery
from gateway.vault import Vault

FARTHEST = 365
"""Days: the most that a date is moved back."""
UNTOLD = "deidentified"
"""Stands for the source: a clinic's name is an address."""


def veil_of(vault: Vault, tenant: str, recipient: str, change: Any) -> Veil:
    """The veil of the patient whom a change is about, before one recipient."""

    def keyed(purpose: str, about: bytes) -> bytes:
        return vault.digest(tenant, b"\0".join((b"safe-harbor", purpose.encode(), recipient.encode(), about)))

    number = int.from_bytes(keyed("days", bytes(order_key(change)))[:8], "big")
    return Veil(
        days=-1 - number % FARTHEST,
        code=lambda record_id: str(UUID(bytes=keyed("code", record_id.encode())[:16], version=4)),
        today=moment(change.at).date(),
    )


def veiled(delivery: Delivery, veil: Veil) -> Delivery:
    """The same delivery with an envelope that tells no more than its body."""
    return msgspec.structs.replace(
        delivery, record_id=veil.code(delivery.record_id), order=veil.code(delivery.order), source=UNTOLD,
        at=_moved(delivery.at, veil), observed_at=_moved(delivery.observed_at, veil),
    )  # fmt: skip


def _moved(at: str, veil: Veil) -> str:
    moved = veil.shifted_time(datetime.fromisoformat(at))
    return "" if moved is None else moved.isoformat(timespec="seconds").replace("+00:00", "Z")
