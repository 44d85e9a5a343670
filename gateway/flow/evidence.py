"""Evidence: bytes that are kept but never normalized, such as refused frames and parts of files that are no message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.flow.clock import micros
from gateway.flow.places import message_place
from gateway.flow.source import Origin
from gateway.store import messages
from gateway.store.opening import Store
from gateway.vault import Vault


class Evidence(msgspec.Struct, frozen=True):
    """One piece of evidence, sealed."""

    row: dict[str, Any]
    key_id: int
    wrapped: bytes
    fix: str


class EvidenceRoom:
    """Keeps the evidence of one source."""

    def __init__(self, source: Origin, store: Store, vault: Vault, audit: AuditLog) -> None:
        self._source = source
        self._store = store
        self._vault = vault
        self._audit = audit

    def seal(self, body: bytes, answer: str, reason: str, where: str, fix: str = "") -> Evidence:
        """Evidence is sealed under the tenant's own key: its patient can never be known."""
        tenant, message_id = self._source.tenant, self._store.next_id()
        key = self._vault.keystore.key(tenant, "tenant")
        sealed = self._vault.seal(key, message_place(tenant, message_id), body)
        row = {
            "tenant": tenant, "message_id": message_id, "source": self._source.name, "kind": "evidence",
            "control_id": f"evidence-{message_id}", "digest": self._vault.digest(tenant, body), "received_at": micros(),
            "lane": 0, "context_id": None, "repeat_of": None, "conflict": False, "answer": answer,
            "place": where[:120], "reason": reason[:80], "box": sealed.box,
        }  # fmt: skip
        return Evidence(row, sealed.key_id, sealed.wrapped, fix)

    def keep(self, connection: Connection, evidence: Sequence[Evidence], outcome: str) -> None:
        """Write evidence with its outcome and its audit entry, in the unit of work at hand."""
        if not evidence:
            return
        tenant = self._source.tenant
        messages.add(connection, [kept.row for kept in evidence], [])
        done = []
        for kept in evidence:
            reason, place = kept.row["reason"], kept.row["place"]
            row = outcome_row(tenant, kept.row["message_id"], outcome, reason, self._source.label, place, kept.fix)
            done.append(row | {"key_id": kept.key_id, "wrapped": kept.wrapped})
        messages.settle(connection, done)
        entry = self._audit.entry(
            tenant, action="receive", actor=f"source:{self._source.name}", purpose="intake",
            messages=[kept.row["message_id"] for kept in evidence], outcome=outcome,
        )  # fmt: skip
        self._audit.append(connection, entry)


def outcome_row(
    tenant: str,
    message_id: int,
    outcome: str,
    reason: str,
    adapter: str,
    place: str = "",
    fix: str = "",
    attempt: int = 0,
) -> dict[str, Any]:
    """A row of ``outcomes`` for a message that made no change."""
    return {
        "tenant": tenant, "message_id": message_id, "attempt": attempt, "outcome": outcome, "reason": reason[:80],
        "place": place[:120], "fix": fix, "at": micros(), "adapter": adapter, "mapping": None, "changes": 0,
        "key_id": None, "wrapped": None,
    }  # fmt: skip
