"""Statements about reactors: cursors, groups and their members, timers, and who made what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store import journal
from gateway.store.bulk import Bulk, portions
from gateway.store.joining import joined
from gateway.store.pairing import Pairing
from gateway.store.rows import Found
from gateway.store.schema import LANES, changes, records
from gateway.store.schema_reactors import (
    reactor_cursors,
    reactor_groups,
    reactor_joins,
    reactor_made,
    reactor_members,
    reactors,
)
from gateway.store.unreadable import NONE_LOST, Lost, between

Values = Mapping[str, Any]
READ_PER_LANE = 256

_add_groups = Bulk(reactor_groups.insert())
regroup = Pairing(reactor_members)
"""Puts records into groups and takes them out."""


def register(connection: Connection, tenant: str, reactor: str, edition: bytes) -> None:
    """Make a reactor's rows on its first start; where it or its settings changed, begin from the journal's start.

    What it made before stays known, so that what is not derived again is removed; every group is derived anew, once
    all that is in the journal now has been read.
    """
    mine = and_(reactors.c.tenant == tenant, reactors.c.reactor == reactor)
    known = connection.execute(select(reactors.c.edition).where(mine)).scalar_one_or_none()
    if known is not None and bytes(known) == edition:
        return
    heads = journal.heads(connection, tenant)
    row = {
        "tenant": tenant, "reactor": reactor, "edition": edition,
        "catch_up": json.dumps([heads.get(lane, 0) for lane in range(LANES)]),
    }  # fmt: skip
    for table in (reactors, reactor_cursors, reactor_members, reactor_joins):
        connection.execute(delete(table).where(table.c.tenant == tenant, table.c.reactor == reactor))
    connection.execute(reactors.insert().values(row))
    connection.execute(
        reactor_cursors.insert(),
        [{"tenant": tenant, "reactor": reactor, "lane": lane, "position": 0} for lane in range(LANES)],
    )
    connection.execute(
        update(reactor_groups)
        .where(reactor_groups.c.tenant == tenant, reactor_groups.c.reactor == reactor)
        .values(due_at=0, turn=reactor_groups.c.turn + 1)
    )


def catch_up(connection: Connection, tenant: str, reactor: str) -> list[int]:
    """Lane positions that must have been read before anything is derived."""
    query = select(reactors.c.catch_up).where(reactors.c.tenant == tenant, reactors.c.reactor == reactor)
    positions: list[int] = json.loads(connection.execute(query).scalar_one())
    return positions


def cursors(connection: Connection, tenant: str, reactor: str) -> dict[int, int]:
    """The last position read, by lane."""
    query = select(reactor_cursors.c.lane, reactor_cursors.c.position).where(
        reactor_cursors.c.tenant == tenant, reactor_cursors.c.reactor == reactor
    )
    return {row.lane: row.position for row in connection.execute(query)}


def read_on(
    connection: Connection, tenant: str, cursors: Mapping[int, int], types: Iterable[str], most: int,
    lost: Lost = NONE_LOST,
) -> tuple[list[Found], dict[int, int]]:  # fmt: skip
    """The newest versions of records of these types that changed after ``cursors``, and where that leaves each lane.

    A version that another has followed is passed by: the newer one was read, or will be.
    """
    wanted = frozenset(types)
    found: list[Found] = []
    moved: dict[int, int] = {}
    ends = journal.heads(connection, tenant)
    lanes = sorted(lane for lane, head in ends.items() if head > cursors[lane])
    turn = sum(cursors.values()) % max(1, len(lanes))  # another lane first each time, so that a busy one starves nobody
    lanes = lanes[turn:] + lanes[:turn]
    share = -(-most // max(1, len(lanes)))
    while lanes and len(found) < most:
        stands = {lane: moved.get(lane, cursors[lane]) for lane in lanes}
        spans = {lane: (at, min(ends[lane], at + share)) for lane, at in stands.items()}
        rows = between(connection, tenant, spans, lost)
        for lane in lanes:
            if len(found) >= most:
                break
            found += [row for row in rows[lane] if row.kind != "barrier" and row.type in wanted]
            moved[lane] = spans[lane][1]
        share *= 2  # most of what was read is of other types: fewer and longer looks
        if share > READ_PER_LANE:
            break
        lanes = [lane for lane in lanes if ends[lane] > moved.get(lane, cursors[lane])]
    heads = journal.record_heads(connection, tenant, {bytes(row.record_id) for row in found})
    return [row for row in found if _place(heads.get(bytes(row.record_id))) == (row.lane, row.position)], moved


def _place(head: Found | None) -> tuple[int, int] | None:
    return None if head is None else (head.lane, head.position)


def move_cursors(
    connection: Connection, tenant: str, reactor: str, before: Mapping[int, int], moved: Mapping[int, int]
) -> bool:
    """Advance a reactor; False when another process did so meanwhile."""
    for lane, position in sorted(moved.items()):
        done = connection.execute(
            update(reactor_cursors)
            .where(
                reactor_cursors.c.tenant == tenant,
                reactor_cursors.c.reactor == reactor,
                reactor_cursors.c.lane == lane,
                reactor_cursors.c.position == before[lane],
            )
            .values(position=position)
        )
        if done.rowcount != 1:
            return False
    return True


def newest(connection: Connection, tenant: str, ids: Iterable[bytes]) -> dict[bytes, Found]:
    """The newest change of each of these records, with its content and whether it is removed."""
    query = (
        select(changes, records.c.removed)
        .join(
            records,
            and_(
                records.c.tenant == changes.c.tenant,
                records.c.lane == changes.c.lane,
                records.c.position == changes.c.position,
            ),
        )
        .where(records.c.tenant == tenant)
    )
    return {
        bytes(row.record_id): row
        for some in portions(ids)
        for row in connection.execute(query.where(records.c.record_id.in_(some)))
    }


def sizes(connection: Connection, tenant: str, ids: Iterable[bytes]) -> dict[bytes, int]:
    """Bytes of the newest content of each of these records."""
    query = (
        select(records.c.record_id, func.coalesce(func.length(changes.c.box), 0).label("bytes"))
        .join(
            changes,
            and_(
                records.c.tenant == changes.c.tenant,
                records.c.lane == changes.c.lane,
                records.c.position == changes.c.position,
            ),
        )
        .where(records.c.tenant == tenant)
    )
    return {
        bytes(row.record_id): row.bytes
        for some in portions(ids)
        for row in connection.execute(query.where(records.c.record_id.in_(some)))
    }


def groups_of(connection: Connection, tenant: str, reactor: str, ids: Iterable[bytes]) -> dict[bytes, set[bytes]]:
    """The groups in which each of these records is."""
    query = select(reactor_members.c.record_id, reactor_members.c.group_id).where(
        reactor_members.c.tenant == tenant,
        reactor_members.c.reactor == reactor,
        reactor_members.c.record_id.in_(list(ids)),
    )
    found: dict[bytes, set[bytes]] = {}
    for row in connection.execute(query):
        found.setdefault(bytes(row.record_id), set()).add(bytes(row.group_id))
    return found


def members_of(connection: Connection, tenant: str, reactor: str, groups: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """The records in each of these groups, in the order of their ids."""
    query = (
        select(reactor_members.c.group_id, reactor_members.c.record_id)
        .where(
            reactor_members.c.tenant == tenant,
            reactor_members.c.reactor == reactor,
            reactor_members.c.group_id.in_(list(groups)),
        )
        .order_by(reactor_members.c.group_id, reactor_members.c.record_id)
    )
    found: dict[bytes, list[bytes]] = {}
    for row in connection.execute(query):
        found.setdefault(bytes(row.group_id), []).append(bytes(row.record_id))
    return found


def mark(connection: Connection, tenant: str, reactor: str, groups: Sequence[bytes]) -> bool:
    """Let these groups be derived at once; False when one of them is not there any more."""
    done = connection.execute(
        update(reactor_groups)
        .where(
            reactor_groups.c.tenant == tenant,
            reactor_groups.c.reactor == reactor,
            reactor_groups.c.group_id.in_(groups),
        )
        .values(due_at=0, turn=reactor_groups.c.turn + 1)
    )
    return done.rowcount == len(groups)


def known_groups(connection: Connection, tenant: str, reactor: str, groups: Iterable[bytes]) -> set[bytes]:
    """Which of these groups there are."""
    query = select(reactor_groups.c.group_id).where(
        reactor_groups.c.tenant == tenant,
        reactor_groups.c.reactor == reactor,
        reactor_groups.c.group_id.in_(list(groups)),
    )
    return {bytes(group) for group in connection.execute(query).scalars()}


def add_groups(connection: Connection, rows: Sequence[Values]) -> None:
    """Make groups."""
    _add_groups(connection, rows)


def due(connection: Connection, tenant: str, reactor: str, now: int, most: int) -> Sequence[Found]:
    """Groups whose time has come, the longest due first."""
    query = (
        select(reactor_groups)
        .where(reactor_groups.c.tenant == tenant, reactor_groups.c.reactor == reactor, reactor_groups.c.due_at <= now)
        .order_by(reactor_groups.c.due_at, reactor_groups.c.group_id)
        .limit(most)
    )
    return connection.execute(query).fetchall()


def keep_group(
    connection: Connection, tenant: str, reactor: str, group: bytes, turn: int, values: Values | None
) -> bool:
    """Write what a derivation left of a group, or with None delete it; False when it was written meanwhile."""
    where = and_(
        reactor_groups.c.tenant == tenant,
        reactor_groups.c.reactor == reactor,
        reactor_groups.c.group_id == group,
        reactor_groups.c.turn == turn,
    )
    statement = (
        delete(reactor_groups).where(where)
        if values is None
        else update(reactor_groups).where(where).values(turn=turn + 1, **values)
    )
    return connection.execute(statement).rowcount == 1


def makers(connection: Connection, tenant: str, reactor: str, ids: Iterable[bytes]) -> dict[bytes, bytes]:
    """The group that makes each of these records."""
    query = select(reactor_made.c.record_id, reactor_made.c.group_id).where(
        reactor_made.c.tenant == tenant, reactor_made.c.reactor == reactor
    )
    return {
        bytes(row.record_id): bytes(row.group_id)
        for some in portions(ids)
        for row in connection.execute(query.where(reactor_made.c.record_id.in_(some)))
    }


def set_makers(
    connection: Connection, tenant: str, reactor: str, made: Mapping[bytes, bytes], removed: Iterable[bytes]
) -> None:
    """Note which group makes which record, and what nobody makes any more."""
    for gone in portions(sorted(removed)):
        connection.execute(
            delete(reactor_made).where(
                reactor_made.c.tenant == tenant, reactor_made.c.reactor == reactor, reactor_made.c.record_id.in_(gone)
            )
        )
    if not made:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(reactor_made)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=("tenant", "reactor", "record_id"), set_={"group_id": statement.excluded.group_id}
        ),
        [
            {"tenant": tenant, "reactor": reactor, "record_id": record, "group_id": group}
            for record, group in sorted(made.items())
        ],
    )


def sources_behind(connection: Connection, tenant: str, reactor: str, record_id: bytes) -> set[str]:
    """Names of the sources of the records from which a reactor derived this one."""
    query = (
        select(records.c.source)
        .join(
            reactor_members,
            and_(reactor_members.c.tenant == records.c.tenant, reactor_members.c.record_id == records.c.record_id),
        )
        .join(
            reactor_made,
            and_(
                reactor_made.c.tenant == reactor_members.c.tenant,
                reactor_made.c.reactor == reactor_members.c.reactor,
                reactor_made.c.group_id == reactor_members.c.group_id,
            ),
        )
        .where(
            reactor_made.c.tenant == tenant, reactor_made.c.reactor == reactor, reactor_made.c.record_id == record_id
        )
        .distinct()
    )
    return set(connection.execute(query).scalars())


def unsettled(connection: Connection, tenant: str, reactor: str, group: bytes, now: int, patient: bytes | None) -> bool:
    """Whether a group is to be derived now, or the reactor has not read all that concerns it or its patient."""
    mine = and_(reactor_groups.c.tenant == tenant, reactor_groups.c.reactor == reactor)
    due_at = connection.execute(
        select(reactor_groups.c.due_at).where(mine, reactor_groups.c.group_id == group)
    ).scalar_one_or_none()
    if due_at is not None and due_at <= now:
        return True
    together = [group, *joined(connection, tenant, reactor, [group]).get(group, ())]
    members = select(reactor_members.c.record_id).where(
        reactor_members.c.tenant == tenant,
        reactor_members.c.reactor == reactor,
        reactor_members.c.group_id.in_(together),
    )
    concerned = [] if patient is None else [changes.c.patient == patient]
    if len(together) > 1:
        theirs = select(records.c.patient).where(records.c.tenant == tenant, records.c.record_id.in_(members))
        concerned.append(changes.c.patient.in_(theirs))
    unread = (
        select(changes.c.position)
        .join(
            reactor_cursors,
            and_(reactor_cursors.c.tenant == changes.c.tenant, reactor_cursors.c.lane == changes.c.lane),
        )
        .where(
            changes.c.tenant == tenant,
            reactor_cursors.c.reactor == reactor,
            changes.c.position > reactor_cursors.c.position,
            or_(changes.c.record_id.in_(members), *concerned),
        )
        .limit(1)
    )
    return connection.execute(unread).first() is not None
