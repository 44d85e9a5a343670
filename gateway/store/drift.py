"""Statements about drift: learnt forms, alarms, and the fields that are held."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.messages import Values
from gateway.store.rows import Found
from gateway.store.schema_drift import drift_alarms, drift_forms, drift_held

ALARM_KEY = ("tenant", "source", "kind", "place", "what")


def _put(
    connection: Connection, table: Table, key: Sequence[str], rows: Sequence[Values], newest: str | None = None
) -> None:
    """Insert rows, or replace those that are there; with ``newest`` only when they are not newer by that column."""
    if rows:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        statement = insert(table)
        others = {one.name: statement.excluded[one.name] for one in table.c if one.name not in key}
        older = None if newest is None else table.c[newest] <= statement.excluded[newest]
        put = statement.on_conflict_do_update(index_elements=list(key), set_=others, where=older)
        connection.execute(put, list(rows))


def put_forms(connection: Connection, rows: Sequence[Values]) -> None:
    """Keep what was learnt of some kinds."""
    _put(connection, drift_forms, ("tenant", "source", "kind"), rows)


def forms(connection: Connection, tenant: str, source: str) -> Sequence[Found]:
    """What was learnt of a source's kinds."""
    query = select(drift_forms).where(drift_forms.c.tenant == tenant, drift_forms.c.source == source)
    return connection.execute(query.order_by(drift_forms.c.kind)).fetchall()


def put_alarms(connection: Connection, rows: Sequence[Values]) -> None:
    """Open alarms, or bring them up to date."""
    _put(connection, drift_alarms, ALARM_KEY, rows)


def alarms(connection: Connection, tenant: str) -> Sequence[Found]:
    """All alarms of a tenant, open ones first, by source, kind and place."""
    query = select(drift_alarms).where(drift_alarms.c.tenant == tenant)
    order = (drift_alarms.c.state != "open", *(drift_alarms.c[name] for name in ALARM_KEY))
    return connection.execute(query.order_by(*order)).fetchall()


def settle_alarm(
    connection: Connection, key: Mapping[str, str], state: str, at: int, mapping: bytes | None = None
) -> None:
    """Close an alarm: ``accepted`` by a person, or ``resolved`` by what came after, such as another mapping."""
    where = and_(*(drift_alarms.c[name] == key[name] for name in ALARM_KEY))
    more: dict[str, Any] = {} if mapping is None else {"mapping": mapping}
    connection.execute(update(drift_alarms).where(where).values(state=state, last_at=at, **more))


def open_counts(connection: Connection) -> dict[str, int]:
    """How many alarms are open, by source, of all tenants; sources have names of their own in one gateway."""
    query = (
        select(drift_alarms.c.source, func.count().label("number"))
        .where(drift_alarms.c.state == "open")
        .group_by(drift_alarms.c.source)
    )
    return {row.source: row.number for row in connection.execute(query)}


def put_held(connection: Connection, rows: Sequence[Values]) -> None:
    """Hold fields of records; of several messages the newest counts."""
    _put(connection, drift_held, ("tenant", "record_id", "field"), rows, newest="message_id")


def held_count(connection: Connection, tenant: str) -> int:
    """How many fields are held."""
    query = select(func.count()).select_from(drift_held).where(drift_held.c.tenant == tenant)
    return int(connection.execute(query).scalar_one())


def held_counts(connection: Connection, tenant: str) -> dict[tuple[str, str, str, str], int]:
    """How many fields are held, by (source, kind, place, what)."""
    key = [drift_held.c[name] for name in ("source", "kind", "place", "what")]
    query = select(*key, func.count().label("number")).where(drift_held.c.tenant == tenant).group_by(*key)
    return {(row.source, row.kind, row.place, row.what): row.number for row in connection.execute(query)}


def held_of(connection: Connection, tenant: str, records: Iterable[bytes]) -> Sequence[Found]:
    """The held fields of these records."""
    query = select(drift_held).where(drift_held.c.tenant == tenant, drift_held.c.record_id.in_(list(records)))
    return connection.execute(query).fetchall()


def held_for(connection: Connection, key: Mapping[str, str], most: int) -> Sequence[Found]:
    """Fields that are held for one alarm and not released yet, oldest message first."""
    where = and_(*(drift_held.c[name] == key[name] for name in ALARM_KEY), drift_held.c.released == 0)
    return connection.execute(select(drift_held).where(where).order_by(drift_held.c.message_id).limit(most)).fetchall()


def mark_released(connection: Connection, messages: Collection[int], key: Mapping[str, str]) -> None:
    """These messages wait to be read again for what is held of them."""
    where = and_(*(drift_held.c[name] == key[name] for name in ALARM_KEY))
    connection.execute(update(drift_held).where(where, drift_held.c.message_id.in_(list(messages))).values(released=1))


def released_of(connection: Connection, tenant: str, messages: Iterable[int]) -> dict[int, dict[bytes, set[str]]]:
    """By message and record, the fields for which the message is read again."""
    query = select(drift_held.c.message_id, drift_held.c.record_id, drift_held.c.field).where(
        drift_held.c.tenant == tenant, drift_held.c.message_id.in_(list(messages)), drift_held.c.released == 1
    )
    found: dict[int, dict[bytes, set[str]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.message_id, {}).setdefault(bytes(row.record_id), set()).add(row.field)
    return found


def drop_held(connection: Connection, tenant: str, fields: Collection[tuple[bytes, str]]) -> None:
    """Hold these fields of records no longer."""
    if fields:
        key = tuple_(drift_held.c.record_id, drift_held.c.field)
        connection.execute(delete(drift_held).where(drift_held.c.tenant == tenant, key.in_(list(fields))))


def row_key(row: Any) -> dict[str, str]:
    """The key of the alarm that a row is, or is held for."""
    return {name: getattr(row, name) for name in ALARM_KEY}
