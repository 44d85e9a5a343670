"""Native: the id that a system gave to a record, told to the one sink that writes back to that system.

An id of a chart or a booking is a key to somebody else's house. It leaves only where four say so: the sink asks for it
(:attr:`SinkInfo.native`), the route names the source it writes to, the record is of that source, and the view grants
the id by its word. It is opened under an access entry of its own and stands among the disclosed fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from gateway.access.views import NATIVE_ID
from gateway.audit import AuditLog
from gateway.errors import Shredded
from gateway.flow.merge import open_parts
from gateway.flow.places import change_place, change_row
from gateway.flow.policy import Stop
from gateway.flow.taking import opened
from gateway.model.exchange import Delivery, SinkInfo
from gateway.store import reactions
from gateway.store.opening import Store
from gateway.store.rows import Found
from gateway.vault import Sealed, Vault

NOT_THERE = Stop("suppressed", "no-id-to-write-to")
"""What it is about is no record of the system written to, or one whose id the view does not grant."""
_NOTHING = b""


class Allowed(NamedTuple):
    """Whose ids may leave by one route."""

    tenant: str
    source: str
    types: frozenset[str]


def meant(info: SinkInfo, change: Found, fields: Callable[[], Mapping[str, Any]]) -> bytes | None:
    """The record whose id the sink needs with this change: empty when it names none, None when the sink needs none."""
    for type_name, field in info.native:
        if type_name == change.type:
            named = fields().get(field) if field else str(UUID(bytes=change.record_id))
            return UUID(named).bytes if isinstance(named, str) else _NOTHING
    return None


def native_ids(
    allowed: Allowed, wanted: Iterable[bytes], parts: tuple[Store, Vault, AuditLog], route: str, purpose: str
) -> dict[bytes, str]:
    """The ids of those of these records that may be told, opened after the access entry that names them."""
    store, vault, audit = parts
    tenant = allowed.tenant
    ids = {one for one in wanted if one}
    newest = store.read_sync(lambda connection: reactions.newest(connection, tenant, ids))
    rows = {one: row for one, row in newest.items() if row.source == allowed.source and row.type in allowed.types}
    if not rows:
        return {}
    entry = audit.entry(
        tenant, action="access", actor=f"route:{route}", purpose=purpose,
        changes=[change_row(record, row.version) for record, row in rows.items()],
    )  # fmt: skip
    store.write_sync(lambda connection: audit.append(connection, entry))
    found: dict[bytes, str] = {}
    with audit.grant(entry) as grant:
        for record, row in rows.items():
            place = change_place(tenant, record, row.version)
            with suppress(Shredded):
                body = opened(vault, grant, place, Sealed(row.key_id, row.wrapped, row.box))
                if body is not None:
                    found[record] = open_parts(body)[0]
    return found


def with_native_id(info: SinkInfo, delivery: Delivery, native_id: str) -> Delivery:
    """A delivery that tells the id, and says so among its fields: ``about.native_id``."""
    field = dict(info.native)[delivery.type]
    told = f"{field}.{NATIVE_ID}" if field else NATIVE_ID
    return replace(delivery, native_id=native_id, fields=(*delivery.fields, told))
