"""Statements about how routes stand: what a person wants of them, what waits, what was replayed, what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select, tuple_, update

from gateway.store import journal
from gateway.store.deliveries import BEHIND, DOUBT, is_last_word
from gateway.store.rows import Found, counted
from gateway.store.schema import changes, deliveries, route_cursors, waiting
from gateway.store.schema_routes import rests, route_states

RUNNING = "running"
WAKING = "waking"
"""To run, and first to try a receiver that is being left alone."""


def state_of(connection: Connection, tenant: str, route: str) -> str:
    """running, paused, draining or waking."""
    query = select(route_states.c.state).where(route_states.c.tenant == tenant, route_states.c.route == route)
    return connection.execute(query).scalar_one_or_none() or RUNNING


def set_state(connection: Connection, tenant: str, route: str, state: str, at: int) -> None:
    """Let a route run, pause or drain; a route that simply runs has no row."""
    connection.execute(delete(route_states).where(route_states.c.tenant == tenant, route_states.c.route == route))
    if state != RUNNING:
        connection.execute(route_states.insert().values(tenant=tenant, route=route, state=state, at=at))


def wake(connection: Connection, tenant: str, route: str, endpoint: bytes, at: int) -> None:
    """Leave a receiver alone no longer, and let the route run and try at once what failed.

    The route stays as it is where a person has changed his mind since.
    """
    set_rest(connection, tenant, endpoint, 0, 0)
    if state_of(connection, tenant, route) == WAKING:
        set_state(connection, tenant, route, RUNNING, 0)
        failed = waiting.c.tenant == tenant, waiting.c.route == route, waiting.c.attempts > 0, waiting.c.due_at > at
        connection.execute(update(waiting).where(*failed).values(due_at=at))


def rest_of(connection: Connection, tenant: str, endpoint: bytes) -> tuple[int, int]:
    """How often in a row a receiver failed everybody, and until when (microseconds) it is left alone."""
    query = select(rests.c.count, rests.c.until).where(rests.c.tenant == tenant, rests.c.endpoint == endpoint)
    row = connection.execute(query).first()
    return (0, 0) if row is None else (row[0], row[1])


def set_rest(connection: Connection, tenant: str, endpoint: bytes, count: int, until: int) -> None:
    """Leave a receiver alone, or no longer: one that answers has no row."""
    connection.execute(delete(rests).where(rests.c.tenant == tenant, rests.c.endpoint == endpoint))
    if count:
        connection.execute(rests.insert().values(tenant=tenant, endpoint=endpoint, count=count, until=until))


def standing(connection: Connection, tenant: str, route: str) -> Mapping[str, Any]:
    """How many changes the route has not read, how many wait and until when, and the last thing that went wrong."""
    heads = journal.heads(connection, tenant)
    cursors = connection.execute(
        select(route_cursors.c.lane, route_cursors.c.position).where(
            route_cursors.c.tenant == tenant, route_cursors.c.route == route
        )
    )
    read = {row.lane: row.position for row in cursors}
    mine = (waiting.c.tenant == tenant, waiting.c.route == route)
    count = connection.execute(select(func.count()).select_from(waiting).where(*mine)).scalar_one()
    by_the_clock = waiting.c.reason.not_in((BEHIND, DOUBT + BEHIND))  # others wait for a change before them
    due = connection.execute(select(func.min(waiting.c.due_at)).where(*mine, by_the_clock)).scalar_one()
    tried = connection.execute(
        select(waiting.c.reason, waiting.c.due_at)
        .where(*mine, waiting.c.attempts > 0)
        .order_by(waiting.c.due_at.desc())
        .limit(1)
    ).first()
    refused = connection.execute(
        select(deliveries.c.reason)
        .where(deliveries.c.tenant == tenant, deliveries.c.route == route, deliveries.c.outcome == "quarantined")
        .order_by(deliveries.c.at.desc())
        .limit(1)
    ).scalar_one_or_none()
    return {
        "unread": sum(head - read.get(lane, 0) for lane, head in heads.items()) if read else None,
        "waiting": count, "next_due": due, "last_error": (tried.reason if tried is not None else refused) or "",
    }  # fmt: skip


def last_rows(
    connection: Connection, tenant: str, route: str, places: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Found]:
    """The last delivery row of each of these changes that has one."""
    query = (
        select(deliveries)
        .where(
            deliveries.c.tenant == tenant,
            deliveries.c.route == route,
            tuple_(deliveries.c.lane, deliveries.c.position).in_(list(places)),
        )
        .order_by(deliveries.c.attempt)
    )
    return {(row.lane, row.position): row for row in connection.execute(query)}


def last_release(connection: Connection, tenant: str, route: str, place: tuple[int, int]) -> str | None:
    """The reason of a change's last ``released`` row on a route; None when it was never released."""
    query = (
        select(deliveries.c.reason)
        .where(
            deliveries.c.tenant == tenant, deliveries.c.route == route, deliveries.c.lane == place[0],
            deliveries.c.position == place[1], deliveries.c.outcome == "released",
        )
        .order_by(deliveries.c.attempt.desc())
        .limit(1)
    )  # fmt: skip
    return connection.execute(query).scalar_one_or_none()


def delivered(
    connection: Connection, tenant: str, route: str, *, after: tuple[int, int], since: int, most: int
) -> Sequence[Found]:
    """Changes whose last word on a route is delivered, with what a filter asks of them, by lane and position.

    ``since`` is of the change, not of its delivery.
    """
    query = (
        select(
            deliveries, changes.c.record_id, changes.c.type, changes.c.source, changes.c.location,
            changes.c.left_location, changes.c.kind,
        )
        .join(
            changes,
            and_(
                changes.c.tenant == deliveries.c.tenant,
                changes.c.lane == deliveries.c.lane,
                changes.c.position == deliveries.c.position,
            ),
        )
        .where(
            deliveries.c.tenant == tenant,
            deliveries.c.route == route,
            deliveries.c.outcome == "delivered",
            changes.c.at >= since,
            or_(
                deliveries.c.lane > after[0],
                and_(deliveries.c.lane == after[0], deliveries.c.position > after[1]),
            ),
            is_last_word(),
        )
        .order_by(deliveries.c.lane, deliveries.c.position)
        .limit(most)
    )  # fmt: skip
    return connection.execute(query).fetchall()


def compared(connection: Connection, tenant: str, live: str, shadow: str) -> Sequence[Found]:
    """Changes that both routes have settled: place, and outcome and fields on each; the last word counts."""
    one, other = _last(tenant, live).subquery(), _last(tenant, shadow).subquery()
    query = (
        select(
            one.c.lane, one.c.position, one.c.outcome.label("live"), other.c.outcome.label("shadow"),
            one.c.fields.label("live_fields"), other.c.fields.label("shadow_fields"),
        )
        .join(other, and_(one.c.lane == other.c.lane, one.c.position == other.c.position))
        .order_by(one.c.lane, one.c.position)
    )  # fmt: skip
    return connection.execute(query).fetchall()


def alone(connection: Connection, tenant: str, route: str, other: str) -> dict[str, int]:
    """Changes on which a route has said something and another nothing yet: how many, by its last word."""
    one, theirs = _last(tenant, route).subquery(), deliveries.alias("theirs")
    nothing = ~select(theirs.c.attempt).where(
        theirs.c.tenant == tenant, theirs.c.route == other, theirs.c.lane == one.c.lane,
        theirs.c.position == one.c.position,
    ).exists()  # fmt: skip
    return {outcome: count for (outcome,), count in counted(connection, select(one.c.outcome).where(nothing)).items()}


def _last(tenant: str, route: str) -> Any:  # SQLAlchemy's own generic for a select of many columns
    return select(deliveries).where(deliveries.c.tenant == tenant, deliveries.c.route == route, is_last_word())
