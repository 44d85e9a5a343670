"""Quarantine: what cannot proceed, why, and letting it go on once the cause is mended."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import iso, micros
from gateway.flow.replay import REPLAY
from gateway.flow.route import order_key
from gateway.store import deliveries, journal, messages, route_states
from gateway.store.opening import Store
from gateway.store.rows import Found


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One message or delivery in quarantine. ``id`` is ``m<message id>`` or ``d<route>/<lane>/<position>``."""

    id: str
    what: str
    source: str
    kind: str
    reason: str
    place: str
    fix: str
    since: str
    route: str = ""
    """Of a delivery."""


def held(connection: Connection, tenant: str, limit: int = 1000) -> list[Held]:
    """Everything in quarantine, messages first."""
    rows = messages.latest(connection, tenant, outcome="quarantined", limit=limit)
    found = [
        Held(
            id=f"m{row.message_id}", what="message", source=row.source, kind=row.kind, reason=row.reason,
            place=row.place, fix=row.fix, since=iso(row.received_at),
        )
        for row in rows
    ]  # fmt: skip
    found += [
        Held(
            id=f"d{row.route}/{row.lane}/{row.position}", what="delivery", source=row.source,
            kind=f"{row.type} {UUID(bytes=row.record_id)}", reason=row.reason, place=f"route {row.route}",
            fix="Mend the receiving system or the route, then release.", since=iso(row.at), route=row.route,
        )
        for row in deliveries.quarantined(connection, tenant)
    ]  # fmt: skip
    return found


def release(store: Store, audit: AuditLog, tenant: str, held_id: str, actor: str) -> None:
    """Let one message be normalized again, or one change be delivered again; the first answer to its sender stands.

    Raises ``InvalidConfiguration`` when nothing of that id is in quarantine.
    """
    unit = release_delivery(tenant, held_id) if held_id.startswith("d") else _release_message(tenant, held_id)

    def both(connection: Connection) -> None:
        unit(connection)
        entry = audit.entry(tenant, action="release", actor=actor, purpose="operations", outcome=held_id)
        audit.append(connection, entry)

    store.write_sync(both)


def _unknown(held_id: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        "Nothing of this id is in quarantine", where=held_id[:80], fix="See `gateway quarantine list`."
    )


def _release_message(tenant: str, held_id: str) -> Any:  # a unit of work
    def unit(connection: Connection) -> None:
        message_id = int(held_id[1:]) if held_id[1:].isdigit() else -1
        message = messages.one(connection, tenant, message_id)
        history = messages.outcomes_of(connection, tenant, message_id)
        if message is None or not history or history[-1].outcome != "quarantined":
            raise _unknown(held_id)
        if message.kind == "evidence":
            raise InvalidConfiguration(
                "This is evidence of bytes that are no message", where=held_id, fix="Mend and send the file again."
            )
        wait_again(connection, tenant, message, history[-1])

    return unit


def read_again(connection: Connection, tenant: str, message_id: int, reason: str = "") -> bool:
    """Let a message wait to be normalized again, unless its bytes are gone; True also of one that waits already."""
    message = messages.one(connection, tenant, message_id)
    history = messages.outcomes_of(connection, tenant, message_id)
    if message is None or not history:
        return False
    if history[-1].outcome == "released":
        return True
    if history[-1].wrapped is None:
        return False
    wait_again(connection, tenant, message, history[-1], reason)
    return True


def wait_again(connection: Connection, tenant: str, message: Found, last: Found, reason: str = "") -> None:
    """Let a message wait to be normalized again, with the key of its last outcome."""
    row = {
        "tenant": tenant, "message_id": last.message_id, "attempt": last.attempt + 1, "outcome": "released",
        "reason": reason, "place": "", "fix": "", "at": micros(), "adapter": last.adapter, "mapping": None,
        "changes": 0, "key_id": None, "wrapped": None,
    }  # fmt: skip
    messages.settle(connection, [row])
    waiting = {
        "tenant": tenant, "lane": message.lane, "message_id": last.message_id, "key_id": last.key_id,
        "wrapped": last.wrapped,
    }  # fmt: skip
    messages.add(connection, [], [waiting])


def release_delivery(tenant: str, held_id: str) -> Any:  # a unit of work
    """The unit of work that lets one delivery wait again; it raises ``InvalidConfiguration`` when none is held."""

    def unit(connection: Connection) -> None:
        parts = held_id[1:].rsplit("/", 2)
        found = None
        if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
            place = (int(parts[1]), int(parts[2]))
            found = next(iter(deliveries.quarantined(connection, tenant, parts[0], place)), None)
        if found is None:
            raise _unknown(held_id)
        change = journal.at_places(connection, tenant, [(found.lane, found.position)])[found.lane, found.position]
        row = {name: getattr(found, name) for name in deliveries.COLUMNS}
        # A replay that was quarantined is still that replay: under the first key its receiver would take it for known.
        word = route_states.last_release(connection, tenant, found.route, place) or ""
        reason = word if word.startswith(REPLAY) else found.reason
        deliveries.add(
            connection,
            [row | {"attempt": found.attempt + 1, "outcome": "released", "reason": reason, "fields": "",
                    "at": micros()}],
        )  # fmt: skip
        waiting = {
            "tenant": tenant, "route": found.route, "order_key": order_key(change), "lane": found.lane,
            "position": found.position, "attempts": 0, "due_at": micros(), "reason": "released",
        }  # fmt: skip
        deliveries.put_waiting(connection, [waiting])

    return unit
