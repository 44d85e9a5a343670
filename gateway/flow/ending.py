"""Ending: a route that will never deliver again has a verdict for everything it still had to deliver.

Its last edition wants nothing, from the journal's heads at that time on. What it wanted before and had not read, what
waited and what a crash cut off is suppressed as ``ended``; what may have left in its last moments is told as such.
Each step is one commit: a crash in between costs nothing but the steps that were not made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from gateway.flow.clock import micros
from gateway.flow.dispatch import effect_of
from gateway.flow.parking import DOUBT, MERGE
from gateway.flow.replay import replay_of
from gateway.flow.route import Filter, read_on
from gateway.store import deliveries, journal, route_states
from gateway.store.opening import Store
from gateway.vault import Vault

ENDED = "ended"
NOTHING = Filter(types=frozenset({""}))
"""No record type has no name."""
STEP = 500


class Ending(NamedTuple):
    """A route that ended."""

    tenant: str
    route: str
    recipient: str
    purpose: str
    fields: Mapping[str, Sequence[str]]
    """By record type, what a delivery in doubt may have told."""


async def end_route(ending: Ending, store: Store, vault: Vault) -> int:
    """Give everything undelivered its verdict; how many there were. Safe to call again."""
    tenant, route = ending.tenant, ending.route
    await store.write(lambda c: deliveries.end(c, tenant, route, NOTHING.text, micros()))
    count = 0
    while True:
        done = await store.write(lambda c: _step(c, ending, vault))
        if done is None:
            return count
        count += done


def _step(connection: Connection, ending: Ending, vault: Vault) -> int | None:
    """One commit's worth; None when nothing is left."""
    tenant, route = ending.tenant, ending.route
    waiting = deliveries.waiting_of(connection, tenant, route, STEP)
    claims = deliveries.open_claims(connection, tenant, route)[:1]
    if waiting:
        held = [(row.lane, row.position) for row in waiting if not row.reason.startswith(MERGE)]
        doubtful = {(row.lane, row.position) for row in waiting if row.reason.startswith(DOUBT)}
        deliveries.leave_waiting(connection, [_left(row) for row in waiting])
        rows = _verdicts(connection, ending, vault, held, doubtful)
        deliveries.add(connection, rows)
        return len(rows)
    if claims:
        places = [(lane, position) for lane, position, _ in json.loads(claims[0].items)]
        rows = _verdicts(connection, ending, vault, places, set(places))
        deliveries.close_claim(connection, tenant, route, claims[0].claim_id, rows)
        return len(rows)
    return _unread(connection, ending, vault)


def _unread(connection: Connection, ending: Ending, vault: Vault) -> int | None:
    tenant, route = ending.tenant, ending.route
    known = deliveries.editions(connection, tenant, route)
    if len(known) < 2:
        return None
    ends = json.loads(known[-1].start)
    cursors = deliveries.cursors(connection, tenant, route)
    if all(cursors[lane] >= end for lane, end in enumerate(ends)):
        return None
    reading = read_on(connection, tenant, Filter.parse(known[-2].filter), cursors, (), STEP)
    places = [(row.lane, row.position) for row in reading.wanted if row.position <= ends[row.lane]]
    rows = _verdicts(connection, ending, vault, places, set())
    deliveries.add(connection, rows)
    deliveries.move_cursors(connection, tenant, route, reading.moved)
    return len(rows) if reading.moved else None


def _verdicts(
    connection: Connection, ending: Ending, vault: Vault, places: Sequence[tuple[int, int]],
    doubtful: set[tuple[int, int]],
) -> list[dict[str, Any]]:  # fmt: skip
    """A row for each of these changes."""
    tenant, route, now = ending.tenant, ending.route, micros()
    if not places:
        return []
    changes = journal.at_places(connection, tenant, places)
    last = route_states.last_rows(connection, tenant, route, places)
    rows: list[dict[str, Any]] = []
    for place in places:
        change, before = changes[place], last.get(place)
        doubt = place in doubtful
        rows.append(
            {
                "tenant": tenant, "route": route, "lane": place[0], "position": place[1],
                "attempt": 0 if before is None else before.attempt + 1, "outcome": "suppressed",
                "reason": DOUBT + ENDED if doubt else ENDED, "receipt": "",
                "effect": effect_of(vault, tenant, route, change, replay_of(before)), "patient": change.patient,
                "recipient": ending.recipient, "purpose": ending.purpose,
                "fields": ",".join(ending.fields.get(change.type, ())) if doubt else "", "at": now,
            }
        )  # fmt: skip
    return rows


def _left(row: Any) -> dict[str, Any]:
    return {
        "b_tenant": row.tenant, "b_route": row.route, "b_key": bytes(row.order_key), "b_lane": row.lane,
        "b_position": row.position,
    }  # fmt: skip
