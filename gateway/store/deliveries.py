"""Statements about routes: where each one stands, what is under way, what waits, and what was delivered to whom."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, select, tuple_, union

from gateway.store import journal
from gateway.store.binding import MAC
from gateway.store.bulk import Among, Bulk, Upsert
from gateway.store.rows import STREAM, Found
from gateway.store.schema import LANES, changes, claims, deliveries, route_cursors, routes, waiting

Values = Mapping[str, Any]
COLUMNS = tuple(column.name for column in deliveries.columns if column.name != MAC)
"""Names of the columns of a delivery row."""
DOUBT = "ambiguous:"
"""Reasons begin with it where an attempt may have happened, and nobody could be asked."""
BEHIND = "behind"
"""The reason of what waits for an earlier change of the same patient alone."""

_add_deliveries, _add_waiting, _add_editions = (Bulk(table.insert()) for table in (deliveries, waiting, routes))
_move_cursor = Upsert(route_cursors, lambda new: {"position": new.position})
_last_attempts = Among(
    lambda places: (
        select(deliveries.c.lane, deliveries.c.position, func.max(deliveries.c.attempt).label("last"))
        .where(
            deliveries.c.tenant == bindparam("tenant"),
            deliveries.c.route == bindparam("route"),
            tuple_(deliveries.c.lane, deliveries.c.position).in_(places),
        )
        .group_by(deliveries.c.lane, deliveries.c.position)
    )
)
_leave_waiting = Bulk(
    delete(waiting).where(
        waiting.c.tenant == bindparam("b_tenant"),
        waiting.c.route == bindparam("b_route"),
        waiting.c.order_key == bindparam("b_key"),
        waiting.c.lane == bindparam("b_lane"),
        waiting.c.position == bindparam("b_position"),
    )
)


def editions(connection: Connection, tenant: str, route: str) -> Sequence[Found]:
    """Every filter a route has had, first to last."""
    query = select(routes).where(routes.c.tenant == tenant, routes.c.route == route).order_by(routes.c.edition)
    return connection.execute(query).fetchall()


def all_routes(connection: Connection, tenant: str) -> Sequence[str]:
    """Names of the routes this tenant ever had, as any of their rows tells."""
    kept = (select(table.c.route).where(table.c.tenant == tenant) for table in (routes, route_cursors))
    named = set(connection.execute(union(*kept)).scalars())
    delivered: str | None = ""
    while delivered is not None:  # from one name to the next, for a route has millions of these rows
        query = select(func.min(deliveries.c.route)).where(
            deliveries.c.tenant == tenant, deliveries.c.route > delivered
        )
        delivered = connection.execute(query).scalar_one()
        named.update(() if delivered is None else (delivered,))
    return sorted(named)


def register(connection: Connection, tenant: str, route: str, filter_text: str, at: int, *, now: bool) -> None:
    """Make a route's cursors on its first start; open a new edition from its cursors when its filter changed.

    A new route begins at the journal's end with ``now``, else at its beginning.
    """
    known = editions(connection, tenant, route)
    if known and known[-1].filter == filter_text:
        return
    if not known:
        heads = journal.heads(connection, tenant) if now else {}
        rows = [
            {"tenant": tenant, "route": route, "lane": lane, "position": heads.get(lane, 0)} for lane in range(LANES)
        ]
        connection.execute(route_cursors.insert(), rows)
    places = cursors(connection, tenant, route)
    start = json.dumps([places[lane] for lane in range(LANES)])
    edition = {"tenant": tenant, "route": route, "edition": len(known) + 1, "filter": filter_text, "at": at}
    _add_editions(connection, [edition | {"start": start}])


def end(connection: Connection, tenant: str, route: str, filter_text: str, at: int) -> None:
    """Open a last edition, from the journal's heads on, whose filter wants nothing; once."""
    known = editions(connection, tenant, route)
    if known and known[-1].filter != filter_text:
        heads = journal.heads(connection, tenant)
        start = json.dumps([heads.get(lane, 0) for lane in range(LANES)])
        last = {"tenant": tenant, "route": route, "edition": len(known) + 1, "filter": filter_text, "at": at}
        _add_editions(connection, [last | {"start": start}])


def cursors(connection: Connection, tenant: str, route: str) -> dict[int, int]:
    """The last position read, by lane."""
    query = select(route_cursors.c.lane, route_cursors.c.position).where(
        route_cursors.c.tenant == tenant, route_cursors.c.route == route
    )
    return {row.lane: row.position for row in connection.execute(query)}


def move_cursors(connection: Connection, tenant: str, route: str, moved: Mapping[int, int]) -> None:
    """Advance a route past changes that are now claimed, waiting or not its own."""
    rows = [
        {"tenant": tenant, "route": route, "lane": lane, "position": position}
        for lane, position in sorted(moved.items())
    ]
    _move_cursor(connection, rows)


def claim(
    connection: Connection, tenant: str, route: str, claim_id: int, items: Sequence[Sequence[int]], at: int
) -> None:
    """Note durably which changes are about to be sent together: (lane, position, attempts made) each."""
    connection.execute(
        claims.insert().values(tenant=tenant, route=route, claim_id=claim_id, items=json.dumps(items), at=at)
    )


def open_claims(connection: Connection, tenant: str, route: str) -> Sequence[Found]:
    """Claims whose end was not written: under way, or cut off by a crash."""
    query = select(claims).where(claims.c.tenant == tenant, claims.c.route == route).order_by(claims.c.claim_id)
    return connection.execute(query).fetchall()


def is_claimed(connection: Connection, tenant: str, route: str, claim_id: int) -> bool:
    """Whether this claim is still open."""
    query = select(claims.c.at).where(claims.c.tenant == tenant, claims.c.route == route, claims.c.claim_id == claim_id)
    return connection.execute(query).first() is not None


def close_claim(connection: Connection, tenant: str, route: str, claim_id: int, done: Sequence[Values]) -> None:
    """End a claim with the deliveries it came to."""
    connection.execute(
        delete(claims).where(claims.c.tenant == tenant, claims.c.route == route, claims.c.claim_id == claim_id)
    )
    add(connection, done)


def add(connection: Connection, done: Sequence[Values]) -> None:
    """Write deliveries: what happened to a change on a route, and what was disclosed of whom."""
    _add_deliveries(connection, done)


def put_waiting(connection: Connection, rows: Sequence[Values]) -> None:
    """Let changes wait for their time or for their patient's turn."""
    _add_waiting(connection, rows)


def leave_waiting(connection: Connection, rows: Sequence[Values]) -> None:
    """Take changes out of waiting: ``b_tenant``, ``b_route``, ``b_key``, ``b_lane``, ``b_position`` each."""
    _leave_waiting(connection, rows)


def waiting_of(connection: Connection, tenant: str, route: str, most: int | None = None) -> Sequence[Found]:
    """All that waits on a route, or the first of it, in journal order within each lane."""
    query = (
        select(waiting)
        .where(waiting.c.tenant == tenant, waiting.c.route == route)
        .order_by(waiting.c.order_key, waiting.c.lane, waiting.c.position)
    )
    return connection.execute(query.limit(most)).fetchall()


def is_last_word() -> ColumnElement[bool]:
    """Whether no later attempt of the same delivery is known."""
    later = deliveries.alias("later")
    return (
        ~select(later.c.attempt)
        .where(
            later.c.tenant == deliveries.c.tenant,
            later.c.route == deliveries.c.route,
            later.c.lane == deliveries.c.lane,
            later.c.position == deliveries.c.position,
            later.c.attempt > deliveries.c.attempt,
        )
        .exists()
    )


def quarantined(
    connection: Connection, tenant: str, route: str | None = None, place: tuple[int, int] | None = None
) -> Sequence[Found]:
    """Deliveries whose last word is quarantine, with the change they are about; of one route, and of one place."""
    query = (
        select(deliveries, changes.c.record_id, changes.c.type, changes.c.source)
        .join(
            changes,
            (changes.c.tenant == deliveries.c.tenant)
            & (changes.c.lane == deliveries.c.lane)
            & (changes.c.position == deliveries.c.position),
        )
        .where(_is_held(tenant))
        .order_by(deliveries.c.at)
    )
    if route is not None:
        query = query.where(deliveries.c.route == route)
    if place is not None:
        query = query.where(deliveries.c.lane == place[0], deliveries.c.position == place[1])
    return connection.execute(query).fetchall()


def held_places(connection: Connection, tenant: str, route: str) -> Sequence[Found]:
    """Where the changes of one route stand that are in quarantine, and whose they are: lane, position, patient."""
    query = select(deliveries.c.lane, deliveries.c.position, deliveries.c.patient)
    return connection.execute(query.where(_is_held(tenant), deliveries.c.route == route)).fetchall()


def _is_held(tenant: str) -> ColumnElement[bool]:
    """Whether a delivery's last word is quarantine."""
    return and_(deliveries.c.tenant == tenant, deliveries.c.outcome == "quarantined", is_last_word())


def next_attempts(
    connection: Connection, tenant: str, route: str, rows: Sequence[Values]
) -> dict[tuple[int, int], int]:
    """Numbers for further delivery rows of changes that have some; the others begin at 0."""
    places = [(row["lane"], row["position"]) for row in rows]
    found = _last_attempts(connection, {"tenant": tenant, "route": route}, places)
    return {(lane, position): last + 1 for lane, position, last in found}


def outcomes(connection: Connection, tenant: str, route: str, lane: int | None = None) -> Iterator[Found]:
    """Every delivery row of a route, or of one lane, as (lane, position, attempt, outcome, reason) in journal order."""
    query = (
        select(
            deliveries.c.lane, deliveries.c.position, deliveries.c.attempt, deliveries.c.outcome, deliveries.c.reason
        )
        .where(deliveries.c.tenant == tenant, deliveries.c.route == route)
        .order_by(deliveries.c.lane, deliveries.c.position, deliveries.c.attempt)
    )
    if lane is not None:
        query = query.where(deliveries.c.lane == lane)
    return iter(connection.execute(query, execution_options=STREAM))
