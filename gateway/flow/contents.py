"""Contents: records as they stand, opened for someone who looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.audit import AuditLog
from gateway.errors import IntegrityViolated, Shredded
from gateway.flow.merge import open_stored
from gateway.flow.places import change_place, change_row
from gateway.store import journal
from gateway.store.opening import Store
from gateway.vault import Grant, Sealed, Vault

MISSING = "version-missing"
CHANGED = "version-changed"
DAMAGES = {MISSING: "the version that it stands for is gone", CHANGED: "what is stored is not what was sealed"}
"""Why a record cannot be opened though nobody destroyed it on purpose, in words."""
MEND = (
    "Run `gateway verify ledger`; then restore a backup that verifies: gateway backup verify, gateway backup restore."
)
_NOTHING: dict[str, Any] = {"native_id": None, "fields": {}}


def open_contents(
    store: Store, vault: Vault, audit: AuditLog, tenant: str, rows: Sequence[Any], actor: str
) -> dict[bytes, dict[str, Any]]:
    """Contents of these record rows, by record id, under an access entry committed before the first is opened.

    One that cannot be opened holds up no other: it has no fields, and ``shredded`` or, with a word of
    :data:`DAMAGES`, ``damaged``.
    """
    entry = audit.entry(
        tenant, action="access", actor=actor, purpose="operations",
        changes=[change_row(row.record_id, row.version) for row in rows],
    )  # fmt: skip
    store.write_sync(lambda connection: audit.append(connection, entry))
    places = [(row.lane, row.position) for row in rows]
    changes = store.read_sync(lambda connection: journal.at_places(connection, tenant, places))
    with audit.grant(entry) as grant:
        return {
            bytes(row.record_id): _content(vault, grant, tenant, row, changes.get((row.lane, row.position)))
            for row in rows
        }


def _content(vault: Vault, grant: Grant, tenant: str, row: Any, change: Any) -> dict[str, Any]:
    if change is None:
        return _NOTHING | {"damaged": MISSING}
    place = change_place(tenant, row.record_id, row.version)  # the record's own: another's version does not open here
    try:
        body = vault.open(grant, place, Sealed(change.key_id, change.wrapped, change.box))
    except Shredded:
        return _NOTHING | {"shredded": True}
    except IntegrityViolated:
        return _NOTHING | {"damaged": CHANGED}
    native_id, fields = open_stored(body)
    return {"native_id": native_id, "fields": fields}
