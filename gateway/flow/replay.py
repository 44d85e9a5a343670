"""Replay: deliver again, on one route only, what was delivered before; and try out what a route would send.

A replayed change gets a delivery row ``released`` and waits, as one released from quarantine does, so the ledger counts
it as pending until it is delivered once more. The replay's own id is part of the new idempotency key: the receiver
takes the effect for a new one, once, however often the replay itself is tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.flow.clock import micros
from gateway.flow.dispatch import Opener
from gateway.flow.last_look import LastLook
from gateway.flow.parking import MERGE
from gateway.flow.route import Filter, order_key, read_on
from gateway.store import deliveries, route_states
from gateway.store.opening import Store
from gateway.store.rows import Found
from gateway.store.schema import LANES

PAGE = 500
REPLAY = "replay:"
"""Reasons of ``released`` rows that a replay wrote begin with it; its id follows."""
_NOTHING: Mapping[str, int] = MappingProxyType({})


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of one change on a route."""

    type: str
    record_id: str
    version: int
    change: str
    outcome: str
    reason: str
    fields: tuple[str, ...]


def replay(
    store: Store, audit: AuditLog, tenant: str, route: str, filter_: Filter,
    *, since: int, actor: str, records: Sequence[bytes] = (),
) -> tuple[str, int]:  # fmt: skip
    """Let what was delivered wait to be delivered again; the replay's id, and how many changes it holds.

    Args:
        store: where.
        audit: names who asked for it.
        tenant: whose route.
        route: the only route concerned.
        filter_: which changes.
        since: only changes that the journal took at this time or later.
        records: only of these records; of all when empty.
        actor: who asks.
    """
    name = f"{store.next_id('replays')}"
    wanted = frozenset(records)
    count, after = 0, (-1, 0)
    _told(store, audit, tenant, actor, f"{route}/{name}")
    while True:
        page = partial(route_states.delivered, tenant=tenant, route=route, after=after, since=since, most=PAGE)
        rows = store.read_sync(page)
        if not rows:
            break
        after = (rows[-1].lane, rows[-1].position)
        chosen = [row for row in rows if filter_.matches(row) and (not wanted or bytes(row.record_id) in wanted)]
        count += len(chosen)
        store.write_sync(partial(_release, tenant=tenant, route=route, rows=chosen, name=name))
    _told(store, audit, tenant, actor, f"{route}/{name}", {"changes": count})
    return name, count


def _told(
    store: Store, audit: AuditLog, tenant: str, actor: str, outcome: str, counts: Mapping[str, int] = _NOTHING
) -> None:
    """An entry of its own: who asked stands in the log before the first change is let go, how many after the last."""
    entry = audit.entry(
        tenant, action="replay", actor=actor, purpose="operations", outcome=outcome, counts=dict(counts)
    )
    store.write_sync(lambda connection: audit.append(connection, entry))


def _release(connection: Connection, tenant: str, route: str, rows: Sequence[Found], name: str) -> None:
    """What another word was spoken of meanwhile is left alone."""
    last = route_states.last_rows(connection, tenant, route, [(row.lane, row.position) for row in rows])
    now = micros()
    done: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []
    for row in rows:
        if last[row.lane, row.position].attempt != row.attempt:
            continue
        kept = {column: getattr(row, column) for column in deliveries.COLUMNS}
        done.append(
            kept
            | {
                "attempt": row.attempt + 1, "outcome": "released", "reason": REPLAY + name, "fields": "", "receipt": "",
                "at": now,
            }
        )  # fmt: skip
        waiting.append(
            {
                "tenant": tenant, "route": route, "order_key": order_key(row), "lane": row.lane,
                "position": row.position, "attempts": 0, "due_at": now, "reason": REPLAY + name,
            }
        )  # fmt: skip
    deliveries.add(connection, done)
    deliveries.put_waiting(connection, waiting)


def replay_of(row: Found | None) -> str:
    """The id of the replay that a change waits for, by its last delivery row; empty when it is the first time."""
    if row is None or row.outcome != "released" or not row.reason.startswith(REPLAY):
        return ""
    return str(row.reason).removeprefix(REPLAY)


def rehearse(store: Store, opener: Opener, most: int) -> list[Rehearsed]:
    """What the route would send next, opened under an access entry, without sending or moving anything.

    It is judged as a delivery is, by the last look too. What waits for a person is told as held.
    """
    route = opener.route
    tenant, name, filter_ = route.tenant, route.name, route.filter

    def read(connection: Connection) -> tuple[list[tuple[int, int, int]], set[bytes]]:
        cursors = deliveries.cursors(connection, tenant, name) or dict.fromkeys(range(LANES), 0)
        reading = read_on(connection, tenant, filter_, cursors, (), most)
        waiting = [row for row in deliveries.waiting_of(connection, tenant, name) if not row.reason.startswith(MERGE)]
        halted = deliveries.quarantined(connection, tenant, name) if route.halt else ()
        places = [(row.lane, row.position, row.attempts) for row in waiting]
        places += [(row.lane, row.position, 0) for row in reading.wanted]
        return places[:most], {order_key(row) for row in halted}

    places, halted = store.read_sync(read)
    sendings = opener.open(places, purpose="rehearse")
    going = [one for one in sendings if one.delivery is not None and one.stop is None]
    look = partial(LastLook(tenant, route.policy, store).judge, changes=[one.change for one in going], now=micros())
    stops = {id(one): stop for one, stop in zip(going, store.read_sync(look), strict=True)}
    rehearsed: list[Rehearsed] = []
    for one in sendings:
        outcome, reason = replace(one, stop=one.stop or stops.get(id(one))).would
        if outcome == "send" and order_key(one.change) in halted:
            outcome, reason = "hold", "halted"
        rehearsed.append(
            Rehearsed(
                type=one.change.type, record_id=one.change.record_id.hex(), version=one.change.version,
                change=one.change.kind, outcome=outcome, reason=reason,
                fields=() if one.delivery is None else one.delivery.fields,
            )
        )  # fmt: skip
    return rehearsed
