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

QUARANTINED = "quarantined"
LONGEST = 19
"""Of the id of a message: an m, and digits whose number 64 bits hold."""


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


class HeldPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what is in quarantine."""

    held: list[Held]
    next: str | None
    """The message that the next page begins before; None when this is the last page."""


def held(connection: Connection, tenant: str, limit: int = 1000) -> list[Held]:
    """What is in quarantine: at most ``limit`` messages, the newest, and every delivery."""
    return page(connection, tenant, limit).held


def page(connection: Connection, tenant: str, limit: int, before: str = "") -> HeldPage:
    """The newest ``limit`` messages in quarantine, or those before one, and on the first page every delivery.

    Raises:
        InvalidConfiguration: ``before`` is no id of a message.
    """
    below = _message_id(before) if before else None
    if before and below is None:
        raise InvalidConfiguration("This is no message's id", where=before[:80], fix="Take `next` of the page before.")
    rows = messages.latest(connection, tenant, outcome=QUARANTINED, limit=limit + 1, before=below)
    found = [_of_message(row, row) for row in rows[:limit]]
    following = found[-1].id if found and len(rows) > limit else None
    if below is None:
        found += [_of_delivery(row) for row in deliveries.quarantined(connection, tenant)]
    return HeldPage(held=found, next=following)


def reasons(connection: Connection, tenant: str) -> list[str]:
    """Every reason for which something is in quarantine."""
    found = {reason or "" for outcome, reason in messages.tally(connection, tenant) if outcome == QUARANTINED}
    return sorted(found | {row.reason for row in deliveries.quarantined(connection, tenant)})


def one_held(connection: Connection, tenant: str, held_id: str) -> Held:
    """One entry, however many there are; ``InvalidConfiguration`` when nothing of that id is in quarantine."""
    if held_id.startswith("d"):
        return _of_delivery(_delivery(connection, tenant, held_id))
    return _of_message(*_message(connection, tenant, held_id))


def _of_message(row: Found, last: Found) -> Held:
    return Held(
        id=f"m{row.message_id}", what="message", source=row.source, kind=row.kind, reason=last.reason,
        place=last.place, fix=last.fix, since=iso(row.received_at),
    )  # fmt: skip


def _of_delivery(row: Found) -> Held:
    return Held(
        id=f"d{row.route}/{row.lane}/{row.position}", what="delivery", source=row.source,
        kind=f"{row.type} {UUID(bytes=row.record_id)}", reason=row.reason, place=f"route {row.route}",
        fix="Mend the receiving system or the route, then release.", since=iso(row.at), route=row.route,
    )  # fmt: skip


def _message(connection: Connection, tenant: str, held_id: str) -> tuple[Found, Found]:
    """A message in quarantine, and its last outcome."""
    message_id = _message_id(held_id)
    if message_id is None:
        raise _unknown(held_id)
    message = messages.one(connection, tenant, message_id)
    history = messages.outcomes_of(connection, tenant, message_id)
    if message is None or not history or history[-1].outcome != QUARANTINED:
        raise _unknown(held_id)
    return message, history[-1]


def _message_id(held_id: str) -> int | None:
    known = held_id.startswith("m") and held_id[1:].isdecimal() and len(held_id) <= LONGEST
    return int(held_id[1:]) if known else None


def _delivery(connection: Connection, tenant: str, held_id: str) -> Found:
    """A delivery in quarantine."""
    route, *place = held_id[1:].rsplit("/", 2)
    for row in deliveries.quarantined(connection, tenant, route):
        if place == [str(row.lane), str(row.position)]:
            return row
    raise _unknown(held_id)


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
        message, last = _message(connection, tenant, held_id)
        if message.kind == "evidence":
            raise InvalidConfiguration(
                "This is evidence of bytes that are no message", where=held_id, fix="Mend and send the file again."
            )
        wait_again(connection, tenant, message, last)

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
        found = _delivery(connection, tenant, held_id)
        place = (found.lane, found.position)
        change = journal.at_places(connection, tenant, [place])[place]
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
