"""The oracle of all fault tests: what must hold of a gateway's end state, whatever was done to it.

It reads rows and what the world outside has kept, and asks none of the gateway's own recounts but the audit log's:

- I1 what was acknowledged is stored
- I2 each change is accounted for on each route: ahead of its cursor, waiting, claimed or ended, once
- I3 nothing has ended that never was
- I4 an effect has one key, and every attempt at it carries the same body
- I5 the effects of one patient come in the order of the journal
- I6 the audit log agrees with every witnessed head, and each effect has its line in the accounting of disclosures
- I7 the store's file is whole
- I8 no planted value is in any file
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, select

from gateway.store import schema
from tests.integration.parts import TENANT, Parts, Written


@dataclass
class World:
    """What those outside have kept, on their own books: receipts, what was sent to a route's sink, planted values."""

    acknowledged: set[str] = field(default_factory=set)
    """Control ids."""
    sinks: dict[str, Written] = field(default_factory=dict)
    """By route."""
    planted: tuple[bytes, ...] = ()


def breaches(parts: Parts, world: World) -> list[str]:
    """Everything that does not hold, in words that begin with the invariant's name."""
    found = parts.store.read_sync(lambda connection: list(_in_store(connection, world)))
    found += [breach for route, sink in world.sinks.items() for breach in sent(route, sink)]
    parts.sequence()
    report = parts.store.read_sync(parts.audited)
    found += [f"I6 audit: {finding.reason}" for finding in report.findings]
    found += planted(parts.place.folder, world.planted)
    return found


def _in_store(connection: Connection, world: World) -> Iterator[str]:
    yield from lost(connection, world.acknowledged)
    yield from unaccounted(connection, TENANT)
    yield from unfounded(connection, TENANT)
    for route, sink in world.sinks.items():
        yield from disordered(connection, TENANT, route, sink)
        yield from undisclosed(connection, TENANT, route, sink)
    yield from damaged(connection)


def lost(connection: Connection, acknowledged: set[str]) -> Iterator[str]:
    """I1: control ids that were acknowledged and are not stored."""
    stored = set(connection.execute(select(schema.messages.c.control_id)).scalars())
    yield from (f"I1 acknowledged but lost: {name}" for name in sorted(acknowledged - stored))


def unaccounted(connection: Connection, tenant: str) -> Iterator[str]:
    """I2: changes behind a route's cursor that are neither waiting nor claimed nor ended."""
    changes, cursors, waiting = schema.changes, schema.route_cursors, schema.waiting
    ended, claims = schema.deliveries, schema.claims
    there = {
        (row.lane, row.position)
        for row in connection.execute(select(changes).where(changes.c.tenant == tenant, changes.c.kind != "barrier"))
    }
    known = {
        (row.route, row.lane, row.position)
        for table in (waiting, ended)
        for row in connection.execute(select(table).where(table.c.tenant == tenant))
    }
    for claim in connection.execute(select(claims).where(claims.c.tenant == tenant)):
        known |= {(claim.route, lane, position) for lane, position, *_ in json.loads(claim.items)}
    for cursor in connection.execute(select(cursors).where(cursors.c.tenant == tenant)):
        passed = {(lane, position) for lane, position in there if lane == cursor.lane and position <= cursor.position}
        for lane, position in sorted(passed):
            if (cursor.route, lane, position) not in known:
                yield f"I2 change {lane}/{position} is passed over by {cursor.route}"


def unfounded(connection: Connection, tenant: str) -> Iterator[str]:
    """I3: deliveries of changes that are not in the journal."""
    changes, ended = schema.changes, schema.deliveries
    there = {(row.lane, row.position) for row in connection.execute(select(changes).where(changes.c.tenant == tenant))}
    for row in connection.execute(select(ended).where(ended.c.tenant == tenant)):
        if (row.lane, row.position) not in there:
            yield f"I3 {row.route} has ended {row.lane}/{row.position}, which never was"


def sent(route: str, sink: Written) -> Iterator[str]:
    """I4: effects with two keys, and keys with two bodies."""
    bodies: dict[str, bytes] = {}
    keys: dict[tuple[str, int], str] = {}
    for dispatch in sink.dispatches:
        for delivery in dispatch.deliveries:
            if bodies.setdefault(delivery.key, delivery.body) != delivery.body:
                yield f"I4 {route}: key {delivery.key} came with two bodies"
            if keys.setdefault((delivery.record_id, delivery.version), delivery.key) != delivery.key:
                yield f"I4 {route}: version {delivery.version} of {delivery.record_id} came with two keys"


def disordered(connection: Connection, tenant: str, route: str, sink: Written) -> Iterator[str]:
    """I5: effects of one patient that overtook each other, the first time each was done."""
    rows = connection.execute(select(schema.changes).where(schema.changes.c.tenant == tenant))
    at = {(str(UUID(bytes=row.record_id)), row.version): (row.lane, row.position) for row in rows if row.version}
    first: dict[str, list[tuple[int, int]]] = {}
    seen = set()
    for delivery in sink.effects:
        place = at.get((delivery.record_id, delivery.version))
        if delivery.key not in seen and place is not None:
            seen.add(delivery.key)
            first.setdefault(delivery.order, []).append(place)
    for order, places in first.items():
        if any(before > after for before, after in pairwise(places)):
            yield f"I5 {route}: effects of {order} are out of order"


def undisclosed(connection: Connection, tenant: str, route: str, sink: Written) -> Iterator[str]:
    """I6: what the books call delivered and never was done, or has no line for the accounting of disclosures."""
    table = schema.deliveries
    done = {delivery.key for delivery in sink.effects} | {delivery.key for delivery in sink.probed}
    query = select(table).where(table.c.tenant == tenant, table.c.route == route, table.c.outcome == "delivered")
    for row in connection.execute(query):
        if row.effect.hex() not in done:
            yield f"I6 {route}: {row.lane}/{row.position} is called delivered and never was"
        if not (row.recipient and row.purpose and row.receipt and row.at):
            yield f"I6 {route}: {row.lane}/{row.position} has no line in the accounting of disclosures"


def damaged(connection: Connection) -> Iterator[str]:
    """I7: an embedded store whose file is not whole."""
    if connection.dialect.name == "sqlite":
        if connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() != "ok":
            yield "I7 the file is not whole"
        if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
            yield "I7 a row refers to one that is not there"


def planted(folder: Path, values: Iterable[bytes]) -> list[str]:
    """I8: planted values in files below a folder."""
    wanted = tuple(values)
    files = [path for path in folder.rglob("*") if path.is_file()] if wanted else []
    contents = ((path, path.read_bytes()) for path in files)
    return [f"I8 {path.name} holds a planted value" for path, data in contents if any(one in data for one in wanted)]
