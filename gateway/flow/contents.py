"""Contents: records as they stand, opened for someone who looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.audit import AuditLog
from gateway.errors import Shredded
from gateway.flow.merge import open_stored
from gateway.flow.places import change_place, change_row
from gateway.store import journal
from gateway.store.opening import Store
from gateway.vault import Sealed, Vault


def open_contents(
    store: Store, vault: Vault, audit: AuditLog, tenant: str, rows: Sequence[Any], actor: str
) -> dict[bytes, dict[str, Any]]:
    """Contents of these record rows, by record id, under an access entry committed before the first is opened."""
    entry = audit.entry(
        tenant, action="access", actor=actor, purpose="operations",
        changes=[change_row(row.record_id, row.version) for row in rows],
    )  # fmt: skip
    store.write_sync(lambda connection: audit.append(connection, entry))
    places = [(row.lane, row.position) for row in rows]
    changes = store.read_sync(lambda connection: journal.at_places(connection, tenant, places))
    contents: dict[bytes, dict[str, Any]] = {}
    with audit.grant(entry) as grant:
        for row in rows:
            change = changes[row.lane, row.position]
            place = change_place(tenant, change.record_id, change.version)
            try:
                body = vault.open(grant, place, Sealed(change.key_id, change.wrapped, change.box))
            except Shredded:
                contents[bytes(row.record_id)] = {"native_id": None, "fields": {}, "shredded": True}
                continue
            native_id, fields = open_stored(body)
            contents[bytes(row.record_id)] = {"native_id": native_id, "fields": fields}
    return contents
