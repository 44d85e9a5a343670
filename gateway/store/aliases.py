"""Statements about aliases: other names of records, and what was read before it was known whom a name means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.bulk import Bulk, portions
from gateway.store.rows import Found
from gateway.store.schema import changes, records
from gateway.store.schema_vault import alias_waits, aliases

_WAIT = ("tenant", "alias", "record_id")
_NEWEST = ("message_id", "received_at")
_drop = Bulk(
    delete(aliases).where(
        aliases.c.tenant == bindparam("b_tenant"),
        aliases.c.alias == bindparam("b_alias"),
        aliases.c.record_id == bindparam("b_record"),
    )
)
_drop_waits = Bulk(
    delete(alias_waits).where(
        alias_waits.c.tenant == bindparam("b_tenant"),
        alias_waits.c.alias == bindparam("b_alias"),
        alias_waits.c.record_id == bindparam("b_record"),
    )
)
_add = {
    "sqlite": Bulk(sqlite.insert(aliases).on_conflict_do_nothing()),
    "postgresql": Bulk(postgresql.insert(aliases).on_conflict_do_nothing()),
}
_new_sqlite, _new_postgres = sqlite.insert(alias_waits), postgresql.insert(alias_waits)
_wait = {
    "sqlite": Bulk(
        _new_sqlite.on_conflict_do_update(
            index_elements=_WAIT, set_={name: _new_sqlite.excluded[name] for name in _NEWEST}
        )
    ),
    "postgresql": Bulk(
        _new_postgres.on_conflict_do_update(
            index_elements=_WAIT, set_={name: _new_postgres.excluded[name] for name in _NEWEST}
        )
    ),
}


def meant(connection: Connection, tenant: str, names: Iterable[bytes]) -> dict[bytes, set[bytes]]:
    """Records by each of these aliases; more than one where several records claim it."""
    found: dict[bytes, set[bytes]] = defaultdict(set)
    for some in portions(names):
        query = select(aliases.c.alias, aliases.c.record_id).where(
            aliases.c.tenant == tenant, aliases.c.alias.in_(some)
        )
        for row in connection.execute(query):
            found[bytes(row.alias)].add(bytes(row.record_id))
    return found


def put(
    connection: Connection, tenant: str, told: Mapping[bytes, Iterable[bytes]], known: Iterable[bytes]
) -> set[bytes]:
    """Let records have these aliases and no others; which of them are new.

    Args:
        connection: where.
        tenant: whose records.
        told: aliases by record.
        known: those of the records that may have some already.
    """
    had: dict[bytes, set[bytes]] = defaultdict(set)
    for some in portions(known):
        query = select(aliases.c.alias, aliases.c.record_id).where(
            aliases.c.tenant == tenant, aliases.c.record_id.in_(some)
        )
        for row in connection.execute(query):
            had[bytes(row.record_id)].add(bytes(row.alias))
    gone = [(alias, record) for record, old in had.items() for alias in old.difference(told[record])]
    new = [(alias, record) for record, names in told.items() for alias in names if alias not in had[record]]
    _drop(connection, [{"b_tenant": tenant, "b_alias": alias, "b_record": record} for alias, record in gone])
    _add[connection.dialect.name](
        connection, [{"tenant": tenant, "alias": alias, "record_id": record} for alias, record in new]
    )
    return {alias for alias, _ in new}


def wait(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep which messages named records by an alias that leads to none yet; a newer one takes an older one's place."""
    _wait[connection.dialect.name](connection, rows)


def waiting_for(connection: Connection, tenant: str, names: Iterable[bytes], most: int) -> Sequence[Found]:
    """Some of what waits for these aliases."""
    query = select(alias_waits).where(alias_waits.c.tenant == tenant, alias_waits.c.alias.in_(list(names))).limit(most)
    return connection.execute(query).fetchall()


def waits_after(connection: Connection, tenant: str, after: tuple[bytes, bytes], most: int) -> Sequence[Found]:
    """The next of all that waits, by alias and record."""
    query = (
        select(alias_waits)
        .where(alias_waits.c.tenant == tenant, tuple_(alias_waits.c.alias, alias_waits.c.record_id) > tuple_(*after))
        .order_by(alias_waits.c.alias, alias_waits.c.record_id)
        .limit(most)
    )
    return connection.execute(query).fetchall()


def drop_waits(connection: Connection, tenant: str, rows: Sequence[Found]) -> None:
    """What waited waits no longer."""
    keys = [{"b_tenant": tenant, "b_alias": bytes(row.alias), "b_record": bytes(row.record_id)} for row in rows]
    _drop_waits(connection, keys)


def last_told(connection: Connection, tenant: str, ids: Iterable[bytes]) -> dict[bytes, tuple[int, int]]:
    """When the message that made each record's newest version was received, and its id."""
    query = (
        select(records.c.record_id, changes.c.observed_at, changes.c.message_id)
        .select_from(records)
        .join(
            changes,
            and_(
                changes.c.tenant == records.c.tenant,
                changes.c.lane == records.c.lane,
                changes.c.position == records.c.position,
            ),
        )
        .where(records.c.tenant == tenant)
    )
    return {
        bytes(row.record_id): (row.observed_at, row.message_id)
        for some in portions(ids)
        for row in connection.execute(query.where(records.c.record_id.in_(some)))
    }


def names_alone(connection: Connection, tenant: str, record_id: bytes) -> list[bytes]:
    """Aliases that mean this record and no other."""
    mine = select(aliases.c.alias).where(aliases.c.tenant == tenant, aliases.c.record_id == record_id)
    query = (
        select(aliases.c.alias)
        .where(aliases.c.tenant == tenant, aliases.c.alias.in_(mine))
        .group_by(aliases.c.alias)
        .having(func.count() == 1)
    )
    return [bytes(alias) for alias in connection.execute(query).scalars()]


def forget(connection: Connection, tenant: str, record_id: bytes) -> None:
    """Let a record be found by no alias any more."""
    connection.execute(delete(aliases).where(aliases.c.tenant == tenant, aliases.c.record_id == record_id))
