"""A dispatch in the making: claimed changes, opened under their access entry and cut down to what the route may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from gateway.access import View
from gateway.audit import AuditLog
from gateway.flow.clock import iso
from gateway.flow.merge import open_body
from gateway.flow.places import change_place, change_row
from gateway.flow.retry import SCHEDULE
from gateway.flow.route import Filter, order_key
from gateway.flow.taking import opened
from gateway.model.exchange import Delivery, SinkInfo
from gateway.store import journal
from gateway.store.opening import Store
from gateway.store.rows import Found
from gateway.vault import Sealed, Vault


@dataclass(frozen=True)
class Route:
    """A configured route, ready to run."""

    tenant: str
    name: str
    filter: Filter
    view: View
    purpose: str
    recipient: str
    halt: bool
    """Whether a quarantined change stops its patient (True), or leaves a gap and goes on."""
    info: SinkInfo
    start_now: bool = False
    """Whether a new route begins at the journal's end instead of its beginning."""
    schedule: tuple[float, ...] = SCHEDULE


@dataclass(frozen=True)
class Sending:
    """One change on its way."""

    change: Found
    attempts: int
    delivery: Delivery | None
    """None when the view grants nothing of it, or it is damaged."""
    damaged: bool = False
    """Whether what is stored is not what was sealed: it waits in quarantine, and nobody else does."""


class Opener:
    """Opens what one route claimed."""

    def __init__(self, route: Route, store: Store, vault: Vault, audit: AuditLog) -> None:
        self.route = route
        self._store = store
        self._vault = vault
        self._audit = audit

    def open(self, items: Sequence[tuple[int, int, int]]) -> list[Sending]:
        """Open and project the claimed changes, after the access entry that names them was committed."""
        tenant = self.route.tenant
        places = [(lane, position) for lane, position, _ in items]
        changes = self._store.read_sync(lambda connection: journal.at_places(connection, tenant, places))
        entry = self._audit.entry(
            tenant, action="access", actor=f"route:{self.route.name}", purpose=self.route.purpose,
            changes=[change_row(change.record_id, change.version) for change in changes.values()],
        )  # fmt: skip
        self._store.write_sync(lambda connection: self._audit.append(connection, entry))
        sendings = []
        with self._audit.grant(entry) as grant:
            for lane, position, attempts in items:
                change = changes[lane, position]
                place = change_place(tenant, change.record_id, change.version)
                body = opened(self._vault, grant, place, Sealed(change.key_id, change.wrapped, change.box))
                delivery = None if body is None else self._delivery(change, body)
                sendings.append(Sending(change, attempts, delivery, damaged=body is None))
        return sendings

    def _delivery(self, change: Found, body: bytes) -> Delivery | None:
        projection = self.route.view.project(change.type, open_body(body))
        if not projection.fields:
            return None
        record_id = str(UUID(bytes=change.record_id))
        return Delivery(
            key=self.effect(change).hex(), change=change.kind, type=change.type, record_id=record_id,
            order=self._vault.digest(self.route.tenant, order_key(change))[:8].hex(), version=change.version,
            at=iso(change.at), source=change.source, observed_at=iso(change.observed_at),
            fields=projection.fields, body=projection.body,
        )  # fmt: skip

    def effect(self, change: Found) -> bytes:
        """The business effect of a change on this route: this version of this record, once."""
        text = f"{self.route.name}\0{UUID(bytes=change.record_id)}\0{change.version}"
        return self._vault.digest(self.route.tenant, text.encode())[:16]
