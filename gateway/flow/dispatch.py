"""A dispatch in the making: claimed changes, opened under their access entry and cut down to what the route may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.access import View
from gateway.access.views import RAW
from gateway.audit import AuditLog
from gateway.errors import Shredded
from gateway.flow.clock import iso, micros
from gateway.flow.leaving import Departed, as_heard, sealed_version
from gateway.flow.merge import open_body
from gateway.flow.native import NOT_THERE, Allowed, meant, native_ids, with_native_id
from gateway.flow.places import change_place, change_row, record_text
from gateway.flow.policy import Policy, Stop, judge
from gateway.flow.raw import GONE, Asked, RawReader
from gateway.flow.retry import SCHEDULE
from gateway.flow.route import Filter, order_key
from gateway.flow.taking import opened
from gateway.flow.veil import veil_of, veiled
from gateway.model.exchange import Delivery, SinkInfo
from gateway.store import journal
from gateway.store.opening import Store
from gateway.store.rows import Found
from gateway.store.unreadable import read_apart, told_by_indexes
from gateway.vault import Sealed, Vault

_NONE: Mapping[tuple[int, int], str] = MappingProxyType({})


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
    policy: Policy = field(default_factory=Policy)
    agreement: bool = False
    """Whether nothing is opened for it without an agreement on file with its recipient."""


@dataclass(frozen=True)
class Sending:
    """One change on its way."""

    change: Found
    attempts: int
    delivery: Delivery | None
    """None when the view grants nothing of it, or it is damaged."""
    damaged: bool = False
    """Whether what is stored cannot be read or is not what was sealed: it waits in quarantine, and nobody else does."""
    stop: Stop | None = None
    """Why it does not go out, by the route's policy."""
    replay: str = ""
    """The replay it belongs to; empty the first time."""
    doubtful: bool = False
    """Whether an attempt before this one may have happened, and its receiver cannot be asked: it counts as told."""
    inside: frozenset[bytes] = frozenset()
    """Patients beside its own of whom the messages tell that go with it as received."""

    @property
    def would(self) -> tuple[str, str]:
        """What would become of it, as far as can be told without sending it: outcome and reason."""
        if self.damaged:
            return "quarantined", "damaged"
        if self.stop is not None:
            return self.stop.outcome, self.stop.reason
        return ("suppressed", "view-grants-nothing") if self.delivery is None else ("send", "")


class Opener:
    """Opens what one route claimed."""

    def __init__(self, route: Route, store: Store, vault: Vault, audit: AuditLog) -> None:
        self.route = route
        self._store = store
        self._vault = vault
        self._audit = audit

    def open(
        self, items: Sequence[tuple[int, int, int]], replays: Mapping[tuple[int, int], str] = _NONE, purpose: str = ""
    ) -> list[Sending]:
        """Open and project the claimed changes, after the access entry that names them was committed.

        ``replays`` tells by place which of them belong to a replay. ``purpose`` is the route's own if not given.
        """
        route = self.route
        tenant = route.tenant
        wanted: dict[tuple[int, int], bytes] = {}
        places = [(lane, position) for lane, position, _ in items]
        changes, unread = read_apart(self._store, self._heard, places)
        lost = told_by_indexes(self._store, tenant, sorted(unread))
        entry = self._audit.entry(
            tenant, action="access", actor=f"route:{route.name}", purpose=purpose or route.purpose,
            changes=[change_row(change.record_id, sealed_version(change)) for change in changes.values()],
        )  # fmt: skip
        self._store.write_sync(lambda connection: self._audit.append(connection, entry))
        sendings: list[Sending] = []
        now = micros()
        with self._audit.grant(entry) as grant:
            for lane, position, attempts in items:
                replay = replays.get((lane, position), "")
                if (lane, position) in unread:
                    sendings.append(Sending(lost[lane][position], attempts, None, damaged=True, replay=replay))
                    continue
                change = changes[lane, position]
                place = change_place(tenant, change.record_id, sealed_version(change))
                try:
                    body = opened(self._vault, grant, place, Sealed(change.key_id, change.wrapped, change.box))
                except Shredded:
                    sendings.append(Sending(change, attempts, None, stop=GONE, replay=replay))
                    continue
                if body is None:
                    sendings.append(Sending(change, attempts, None, damaged=True, replay=replay))
                    continue
                fields = partial(_fields, body)
                stop = judge(route.policy, change, fields, now)
                delivery = self._delivery(change, body, replay)
                if delivery is not None and stop is None and (record := meant(route.info, change, fields)) is not None:
                    wanted[lane, position] = record
                sendings.append(Sending(change, attempts, delivery, stop=stop, replay=replay))
        if wanted:
            sendings = self._with_native_ids(sendings, wanted, purpose or route.purpose)
        return self._with_raw(sendings, purpose or route.purpose) if route.info.raw and route.view.raw else sendings

    def _heard(self, connection: Connection, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Found]:
        """The claimed changes as the route hears of them, by place."""
        found = journal.at_places(connection, self.route.tenant, places)
        return dict(zip(found, as_heard(connection, self.route.tenant, self.route.filter, found.values()), strict=True))

    def _with_raw(self, sendings: Sequence[Sending], purpose: str) -> list[Sending]:
        """The same, each whose messages are granted with them; where they cannot go along nothing goes out."""
        asked = Asked(self.route.tenant, f"route:{self.route.name}", purpose)
        reader = RawReader(asked, self._store, self._vault, self._audit)
        made: list[Sending] = []
        for one in sendings:
            without = one.delivery is None or one.stop is not None or isinstance(one.change, Departed)
            if without or one.delivery is None or one.change.type not in self.route.view.raw:
                made.append(one)
                continue
            found = reader.of(one.change)
            if isinstance(found, Stop):
                made.append(replace(one, stop=found))
            else:
                delivery = msgspec.structs.replace(one.delivery, raw=found.raw, fields=(*one.delivery.fields, RAW))
                made.append(replace(one, delivery=delivery, inside=found.patients - {one.change.patient}))
        return made

    def _with_native_ids(
        self, sendings: Sequence[Sending], wanted: Mapping[tuple[int, int], bytes], purpose: str
    ) -> list[Sending]:
        """The same, each that is about a record with the id its system gave to it; without one nothing goes out."""
        allowed = Allowed(self.route.tenant, self.route.policy.writes_to, self.route.view.native)
        found = native_ids(allowed, wanted.values(), (self._store, self._vault, self._audit), self.route.name, purpose)
        named: list[Sending] = []
        for one in sendings:
            record = wanted.get((one.change.lane, one.change.position))
            if record is None or one.delivery is None:
                named.append(one)
            elif (native_id := found.get(record)) is None:
                named.append(replace(one, stop=NOT_THERE))
            else:
                named.append(replace(one, delivery=with_native_id(self.route.info, one.delivery, native_id)))
        return named

    def _delivery(self, change: Found, body: bytes, replay: str) -> Delivery | None:
        route = self.route
        veil = veil_of(self._vault, route.tenant, route.recipient, change) if route.view.veiled else None
        projection = route.view.project(change.type, open_body(body), veil)
        if not projection.fields:
            return None
        made = Delivery(
            key=self.effect(change, replay).hex(), change=change.kind, type=change.type,
            record_id=record_text(change.record_id),
            order=self._vault.digest(route.tenant, order_key(change))[:8].hex(), version=change.version,
            at=iso(change.at), source=change.source, observed_at=iso(change.observed_at),
            fields=projection.fields, body=projection.body,
        )  # fmt: skip
        return made if veil is None else veiled(made, veil)

    def effect(self, change: Found, replay: str = "") -> bytes:
        """The business effect of a change on this route: this version of this record, once, and once per replay."""
        return effect_of(self._vault, self.route.tenant, self.route.name, change, replay)


def effect_of(vault: Vault, tenant: str, route: str, change: Found, replay: str = "") -> bytes:
    """The business effect of a change on any route."""
    text = f"{route}\0{record_text(change.record_id)}\0{change.version}"
    if replay:
        text += f"\0{replay}"
    return vault.digest(tenant, text.encode())[:16]


def _fields(body: bytes) -> dict[str, Any]:
    """The fields of an opened record, for a rule that asks for them."""
    found: dict[str, Any] = msgspec.json.decode(open_body(body))
    return found
