"""Statements about sealed values wherever they are: which key each hangs on, and moving it under another.

A value's data key stands beside it, or for a message in its inbox and outcome rows. Every table that has such columns
is named here, with the columns that tell its rows apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Select, Table, bindparam, select, tuple_, update

from gateway.store.bulk import Bulk
from gateway.store.rows import Found, counted
from gateway.store.schema import changes, contexts, inbox, outcomes
from gateway.store.schema_reactors import reactor_groups


class Holder(NamedTuple):
    """One table with wrapped data keys."""

    table: Table
    order: tuple[str, ...]
    """The primary key below the tenant."""
    names: tuple[str, ...] = ()
    """Further columns that tell the value's place."""


HOLDERS = (
    Holder(inbox, ("lane", "message_id")),
    Holder(contexts, ("context_id",)),
    Holder(outcomes, ("message_id", "attempt")),
    Holder(changes, ("lane", "position"), ("record_id", "version")),
    Holder(reactor_groups, ("reactor", "group_id")),
)


def page(
    connection: Connection, holder: Holder, tenant: str, after: Sequence[Any] | None, most: int
) -> Sequence[Found]:
    """The next rows that hold a wrapped data key, in order of their primary key."""
    table = holder.table
    wanted = [*_columns(holder), table.c.key_id, table.c.wrapped, *(table.c[name] for name in holder.names)]
    return connection.execute(_next(select(*wanted), holder, tenant, after, most)).fetchall()


def whole_page(
    connection: Connection, holder: Holder, tenant: str, after: Sequence[Any] | None, most: int
) -> Sequence[Found]:
    """The same with every column, the sealed one too."""
    return connection.execute(_next(select(holder.table), holder, tenant, after, most)).fetchall()


def _next(query: Select[Any], holder: Holder, tenant: str, after: Sequence[Any] | None, most: int) -> Select[Any]:
    table, order = holder.table, _columns(holder)
    query = query.where(table.c.tenant == tenant, table.c.wrapped.is_not(None))
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*after))
    return query.order_by(*order).limit(most)


def place(holder: Holder, row: Found) -> tuple[Any, ...]:
    """Where a row stands in its table's order."""
    return tuple(getattr(row, name) for name in holder.order)


def move(connection: Connection, holder: Holder, tenant: str, moved: Sequence[tuple[Found, int, bytes]]) -> None:
    """Put (row, new key, new wrapped form) in the row's stead, unless somebody wrote it since."""
    table = holder.table
    same = [column == bindparam(f"b_{column.name}") for column in _columns(holder)]
    statement = (
        update(table)
        .where(table.c.tenant == bindparam("b_tenant"), *same, table.c.wrapped == bindparam("b_wrapped"))
        .values(key_id=bindparam("key_id"), wrapped=bindparam("wrapped"))
    )
    Bulk(statement)(
        connection,
        [
            {f"b_{name}": getattr(row, name) for name in holder.order}
            | {"b_tenant": tenant, "b_wrapped": row.wrapped, "key_id": key_id, "wrapped": wrapped}
            for row, key_id, wrapped in moved
        ],
    )


def resting(connection: Connection, tenant: str) -> Counter[int]:
    """How many values hang on each key."""
    found: Counter[int] = Counter()
    for holder in HOLDERS:
        table = holder.table
        query = select(table.c.key_id).where(table.c.tenant == tenant, table.c.wrapped.is_not(None))
        found.update({key_id: count for (key_id,), count in counted(connection, query).items()})
    return found


def messages_under(connection: Connection, tenant: str, keys: Iterable[int]) -> set[int]:
    """Messages whose data key hangs on one of these keys."""
    query = select(outcomes.c.message_id).where(
        outcomes.c.tenant == tenant, outcomes.c.wrapped.is_not(None), outcomes.c.key_id.in_(list(keys))
    )
    return set(connection.execute(query).scalars())


def _columns(holder: Holder) -> list[Column[Any]]:
    return [holder.table.c[name] for name in holder.order]
