"""Statements about messages, versions and patients whose time to be kept is over."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select, tuple_, update

from gateway.store import deliveries
from gateway.store.bulk import Bulk
from gateway.store.rows import Found
from gateway.store.schema import changes, claims, inbox, messages, outcomes, route_cursors, waiting
from gateway.store.schema_vault import shreds, told_of

Place = tuple[int, int]
"""Lane and position of a change."""
START: Place = (-1, 0)

_drop = Bulk(
    update(changes)
    .where(
        changes.c.tenant == bindparam("b_tenant"),
        changes.c.lane == bindparam("b_lane"),
        changes.c.position == bindparam("b_position"),
    )
    .values({name: bindparam(name) for name in ("key_id", "wrapped", "box")})
)


def over(
    connection: Connection,
    tenant: str,
    before: int,
    sources: Sequence[str],
    held: Sequence[bytes],
    keys: Sequence[int],
    most: int,
) -> list[int]:
    """Settled messages that came before ``before`` (microseconds) and still have bytes, oldest first.

    What waits or is in quarantine is none of them, nor is what told of a patient in ``held``, whose keys are ``keys``:
    a message that changed nothing is known by its key alone.
    """
    same = (outcomes.c.tenant == messages.c.tenant) & (outcomes.c.message_id == messages.c.message_id)
    last = select(func.max(outcomes.c.attempt)).where(same).correlate(messages).scalar_subquery()
    settled = select(outcomes.c.message_id).where(
        same, outcomes.c.attempt == last, outcomes.c.outcome.in_(("normalized", "suppressed"))
    )
    waits = select(inbox.c.message_id).where(
        inbox.c.tenant == messages.c.tenant, inbox.c.message_id == messages.c.message_id
    )
    query = select(messages.c.message_id).where(
        messages.c.tenant == tenant, messages.c.received_at < before, messages.c.box.is_not(None),
        settled.exists(), ~waits.exists(),
    )  # fmt: skip
    if sources:
        query = query.where(messages.c.source.in_(list(sources)))
    if held:
        about = (
            select(table.c.message_id).where(table.c.tenant == tenant, table.c.patient.in_(list(held)))
            for table in (changes, told_of)
        )
        sealed = select(outcomes.c.message_id).where(outcomes.c.tenant == tenant, outcomes.c.key_id.in_(list(keys)))
        for kept in (*about, sealed):
            query = query.where(messages.c.message_id.not_in(kept))
    return list(connection.execute(query.order_by(messages.c.message_id).limit(most)).scalars())


def replaced(
    connection: Connection,
    tenant: str,
    before: int,
    sources: Sequence[str],
    types: Sequence[str],
    held: Sequence[bytes],
    after: Place,
    most: int,
) -> tuple[Sequence[Found], Place | None]:
    """The next versions behind ``after`` that have their content and were replaced before ``before`` (microseconds).

    None of a patient in ``held``, and none that a route has not read yet, waits to deliver or may still release. The
    second value is where to go on; None at the end of the journal.
    """
    newer = changes.alias("newer")
    query = (
        select(changes.c.lane, changes.c.position, changes.c.record_id, changes.c.version)
        .join(
            newer,
            (newer.c.tenant == changes.c.tenant)
            & (newer.c.record_id == changes.c.record_id)
            & (newer.c.version == changes.c.version + 1)
            & (newer.c.kind != "barrier"),
        )
        .where(
            changes.c.tenant == tenant,
            tuple_(changes.c.lane, changes.c.position) > after,
            changes.c.wrapped.is_not(None),
            newer.c.at < before,
        )
    )
    if sources:
        query = query.where(changes.c.source.in_(list(sources)))
    if types:
        query = query.where(changes.c.type.in_(list(types)))
    if held:
        query = query.where(changes.c.patient.is_(None) | changes.c.patient.not_in(list(held)))
    rows = connection.execute(query.order_by(changes.c.lane, changes.c.position).limit(most)).fetchall()
    wanted, read = (_wanted(connection, tenant), _read(connection, tenant)) if rows else (set(), {})
    free = [
        row
        for row in rows
        if row.position <= read.get(row.lane, row.position) and (row.lane, row.position) not in wanted
    ]
    return free, (rows[-1].lane, rows[-1].position) if len(rows) == most else None


def drop_versions(connection: Connection, tenant: str, places: Sequence[Place]) -> None:
    """Take away the content of these versions and what opens it; the journal's rows stay."""
    gone = {"key_id": None, "wrapped": None, "box": None}
    _drop(
        connection, [{"b_tenant": tenant, "b_lane": lane, "b_position": position} | gone for lane, position in places]
    )


def silent(connection: Connection, tenant: str, before: int, most: int) -> list[bytes]:
    """Patients of whom nothing was heard since ``before`` (microseconds), by record id, and who were not shredded."""
    gone = select(shreds.c.patient).where(shreds.c.tenant == tenant)
    query = (
        select(changes.c.patient)
        .where(changes.c.tenant == tenant, changes.c.patient.is_not(None), changes.c.patient.not_in(gone))
        .group_by(changes.c.patient)
        .having(func.max(changes.c.at) < before)
        .order_by(func.max(changes.c.at), changes.c.patient)
        .limit(most)
    )
    return [bytes(patient) for patient in connection.execute(query).scalars()]


def heard(connection: Connection, tenant: str, patient: bytes, since: int) -> bool:
    """Whether anything was heard of a patient at or after ``since`` (microseconds)."""
    query = select(changes.c.position).where(
        changes.c.tenant == tenant, changes.c.patient == patient, changes.c.at >= since
    )
    return connection.execute(query.limit(1)).first() is not None


def _read(connection: Connection, tenant: str) -> dict[int, int]:
    """By lane, the last position that every route has read."""
    query = (
        select(route_cursors.c.lane, func.min(route_cursors.c.position).label("read"))
        .where(route_cursors.c.tenant == tenant)
        .group_by(route_cursors.c.lane)
    )
    return {row.lane: row.read for row in connection.execute(query)}


def _wanted(connection: Connection, tenant: str) -> set[Place]:
    """Changes that wait, are under way or stand in quarantine on some route."""
    rows = connection.execute(select(waiting.c.lane, waiting.c.position).where(waiting.c.tenant == tenant))
    found = {(row.lane, row.position) for row in rows}
    found |= {(row.lane, row.position) for row in deliveries.quarantined(connection, tenant)}
    for items in connection.execute(select(claims.c["items"]).where(claims.c.tenant == tenant)).scalars():
        found |= {(lane, position) for lane, position, *_ in json.loads(items)}
    return found
