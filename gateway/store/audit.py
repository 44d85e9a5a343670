"""Statements about the audit log. Rows are only ever inserted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Integer,
    LargeBinary,
    Row,
    String,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)

from gateway.store.bulk import Bulk, Prepared
from gateway.store.rows import STREAM
from gateway.store.schema_audit import audit_leaves, audit_nodes, audit_rows, audit_writers, checkpoints

Found = Row[*tuple[Any, ...]]
"""A row of any columns; each function says which."""
_NUMBERING = 0x6C656166  # "leaf": the first of two numbers of an advisory lock; the other is the tenant's
_tenant: BindParameter[str] = bindparam("tenant", type_=String)
_writer: BindParameter[int] = bindparam("writer", type_=Integer)
_append = Prepared(
    audit_rows.insert()
    .from_select(
        ["tenant", "writer", "seq", "body"],
        select(
            cast(_tenant, String),
            cast(_writer, Integer),
            func.coalesce(func.max(audit_rows.c.seq), literal_column("0")) + literal_column("1"),
            cast(bindparam("body"), LargeBinary),
        ).where(audit_rows.c.tenant == _tenant, audit_rows.c.writer == _writer),
    )
    .returning(audit_rows.c.seq)
)
_body = Prepared(
    select(audit_rows.c.body).where(
        audit_rows.c.tenant == _tenant, audit_rows.c.writer == _writer, audit_rows.c.seq == bindparam("seq")
    )
)
_last_row = (
    select(func.max(audit_rows.c.seq))
    .where(audit_rows.c.tenant == _tenant, audit_rows.c.writer == audit_writers.c.writer)
    .correlate(audit_writers)
    .scalar_subquery()
)
_last_numbered = (
    select(func.coalesce(func.max(audit_leaves.c.seq), 0))
    .where(audit_leaves.c.tenant == _tenant, audit_leaves.c.writer == audit_writers.c.writer)
    .correlate(audit_writers)
    .scalar_subquery()
)
_ahead = (
    select(audit_writers.c.writer, _last_numbered.label("numbered"))
    .where(_last_row > _last_numbered)
    .order_by(audit_writers.c.writer)
)
_rows_after = (
    select(audit_rows.c.seq, audit_rows.c.body)
    .where(audit_rows.c.tenant == _tenant, audit_rows.c.writer == _writer, audit_rows.c.seq > bindparam("seq"))
    .order_by(audit_rows.c.seq)
    .limit(bindparam("most", type_=BigInteger))
)
_add_leaves, _add_nodes = Bulk(audit_leaves.insert()), Bulk(audit_nodes.insert())
_last_leaf = (
    select(audit_leaves.c.leaf, audit_leaves.c.hash)
    .where(audit_leaves.c.tenant == _tenant)
    .order_by(audit_leaves.c.leaf.desc())
    .limit(1)
)


def register_writer(connection: Connection) -> int:
    """A number for this process's rows, never given before."""
    statement = audit_writers.insert().values(started=int(time.time() * 1e6)).returning(audit_writers.c.writer)
    return int(connection.execute(statement).scalar_one())


def append(connection: Connection, tenant: str, writer: int, body: bytes) -> int:
    """Add a row with the writer's next number; a unit that is undone gives the number back by itself."""
    return int(_append(connection, {"tenant": tenant, "writer": writer, "body": body}).scalar_one())


def body_of(connection: Connection, tenant: str, writer: int, seq: int) -> bytes | None:
    """A row's text; None when there is no such row."""
    found = _body(connection, {"tenant": tenant, "writer": writer, "seq": seq}).scalar_one_or_none()
    return None if found is None else bytes(found)


def writers_ahead(connection: Connection, tenant: str) -> Sequence[Found]:
    """Writers with rows that have no leaf yet: (writer, its last numbered row), in order."""
    return connection.execute(_ahead, {"tenant": tenant}).fetchall()


def rows_after(connection: Connection, tenant: str, writer: int, seq: int, most: int) -> Sequence[Found]:
    """A writer's rows after one of its numbers: (seq, body)."""
    return connection.execute(_rows_after, {"tenant": tenant, "writer": writer, "seq": seq, "most": most}).fetchall()


def take_turn(connection: Connection, tenant: str) -> bool:
    """Whether this transaction may number the tenant's rows: of several processes on one server, one at a time does.

    It does not wait for its turn, so that it holds up nothing and nobody of its group of units.
    """
    if connection.dialect.name != "postgresql":
        return True  # an embedded store has one writer
    turn = select(func.pg_try_advisory_xact_lock(_NUMBERING, func.hashtext(tenant)))
    return bool(connection.execute(turn).scalar_one())


def last_leaf(connection: Connection, tenant: str) -> tuple[int, bytes] | None:
    """Position and hash of the tree's last leaf."""
    found = connection.execute(_last_leaf, {"tenant": tenant}).one_or_none()
    return None if found is None else (found.leaf, bytes(found.hash))


def leaf_hashes(connection: Connection, tenant: str, first: int) -> Iterator[bytes]:
    """Hashes of the leaves from one position on."""
    query = (
        select(audit_leaves.c.hash)
        .where(audit_leaves.c.tenant == tenant, audit_leaves.c.leaf >= first)
        .order_by(audit_leaves.c.leaf)
    )
    return (bytes(row.hash) for row in connection.execute(query, execution_options=STREAM))


def add_leaves(connection: Connection, leaves: Sequence[dict[str, Any]]) -> None:
    """Number rows into the tree."""
    _add_leaves(connection, leaves)


def add_nodes(connection: Connection, nodes: Sequence[dict[str, Any]]) -> None:
    """Keep heads of full subtrees."""
    _add_nodes(connection, nodes)


def nodes(connection: Connection, tenant: str, level: int, first: int, end: int) -> dict[int, bytes]:
    """Kept heads of full subtrees at one level by position; at level 0 the leaves."""
    table, place = (audit_nodes, audit_nodes.c.node) if level else (audit_leaves, audit_leaves.c.leaf)
    query = select(place, table.c.hash).where(table.c.tenant == tenant, place >= first, place < end)
    if level:
        query = query.where(audit_nodes.c.level == level)
    return {at: bytes(hashed) for at, hashed in connection.execute(query)}


def all_nodes(connection: Connection, tenant: str) -> dict[tuple[int, int], bytes]:
    """Every kept head of a full subtree, by (level, position): one for 255 leaves."""
    query = select(audit_nodes.c.level, audit_nodes.c.node, audit_nodes.c.hash).where(audit_nodes.c.tenant == tenant)
    return {(row.level, row.node): bytes(row.hash) for row in connection.execute(query)}


def leaf_at(connection: Connection, tenant: str, leaf: int) -> Found | None:
    """One numbered row: (writer, seq, hash, body)."""
    query = (
        select(audit_leaves.c.writer, audit_leaves.c.seq, audit_leaves.c.hash, audit_rows.c.body)
        .select_from(audit_leaves.join(audit_rows, _same_row()))
        .where(audit_leaves.c.tenant == tenant, audit_leaves.c.leaf == leaf)
    )
    return connection.execute(query).one_or_none()


def checkpoint_over(connection: Connection, tenant: str, leaf: int) -> Found | None:
    """The newest signed head, if it covers a leaf: (size, note)."""
    found = last_checkpoint(connection, tenant)
    return None if found is None or found.size <= leaf else found


def entries_before(connection: Connection, tenant: str, before: int | None, most: int) -> Sequence[Found]:
    """Numbered rows from one position backwards, newest first: (leaf, writer, seq, body)."""
    query = (
        select(audit_leaves.c.leaf, audit_leaves.c.writer, audit_leaves.c.seq, audit_rows.c.body)
        .select_from(audit_leaves.join(audit_rows, _same_row()))
        .where(audit_leaves.c.tenant == tenant)
        .order_by(audit_leaves.c.leaf.desc())
        .limit(most)
    )
    if before is not None:
        query = query.where(audit_leaves.c.leaf < before)
    return connection.execute(query).fetchall()


def add_checkpoint(connection: Connection, tenant: str, size: int, note: str, frontier: bytes) -> None:
    """Keep a signed head."""
    connection.execute(checkpoints.insert(), {"tenant": tenant, "size": size, "note": note, "frontier": frontier})


def last_checkpoint(connection: Connection, tenant: str) -> Found | None:
    """The newest signed head: (size, note, frontier)."""
    query = (
        select(checkpoints.c.size, checkpoints.c.note, checkpoints.c.frontier)
        .where(checkpoints.c.tenant == tenant)
        .order_by(checkpoints.c.size.desc())
        .limit(1)
    )
    return connection.execute(query).one_or_none()


def first_checkpoints(connection: Connection, tenant: str, most: int) -> Sequence[int]:
    """Sizes of the oldest signed heads."""
    query = select(checkpoints.c.size).where(checkpoints.c.tenant == tenant).order_by(checkpoints.c.size).limit(most)
    return connection.execute(query).scalars().all()


def checkpoints_after(connection: Connection, tenant: str, size: int) -> Sequence[str]:
    """Notes of the signed heads over a size, oldest first."""
    query = (
        select(checkpoints.c.note)
        .where(checkpoints.c.tenant == tenant, checkpoints.c.size > size)
        .order_by(checkpoints.c.size)
    )
    return connection.execute(query).scalars().all()


def all_checkpoints(connection: Connection, tenant: str) -> Iterator[Found]:
    """Every signed head in order of size: (size, note)."""
    query = (
        select(checkpoints.c.size, checkpoints.c.note)
        .where(checkpoints.c.tenant == tenant)
        .order_by(checkpoints.c.size)
    )
    return iter(connection.execute(query, execution_options=STREAM))


def leaves_with_rows(connection: Connection, tenant: str) -> Iterator[Found]:
    """Every leaf in order, with its row's text: (leaf, writer, seq, hash, body); ``body`` is None for a lost row."""
    body = cast(audit_rows.c.body, LargeBinary)  # a forger may have left text: it is to be found, not stumbled over
    query = (
        select(audit_leaves.c.leaf, audit_leaves.c.writer, audit_leaves.c.seq, audit_leaves.c.hash, body)
        .select_from(audit_leaves.outerjoin(audit_rows, _same_row()))
        .where(audit_leaves.c.tenant == tenant)
        .order_by(audit_leaves.c.leaf)
    )
    return iter(connection.execute(query, execution_options=STREAM))


def leaves_after(connection: Connection, tenant: str, leaf: int, most: int) -> Sequence[Found]:
    """The next numbered rows after a leaf: (leaf, writer, seq, body)."""
    query = (
        select(audit_leaves.c.leaf, audit_leaves.c.writer, audit_leaves.c.seq, audit_rows.c.body)
        .select_from(audit_leaves.join(audit_rows, _same_row()))
        .where(audit_leaves.c.tenant == tenant, audit_leaves.c.leaf > leaf)
        .order_by(audit_leaves.c.leaf)
        .limit(most)
    )
    return connection.execute(query).fetchall()


def rows_ahead(connection: Connection, tenant: str, numbered: dict[int, int]) -> Iterator[Found]:
    """Rows after each writer's last numbered one, as the caller counted it: (writer, seq, body), in order."""
    found = select(audit_rows.c.writer).where(audit_rows.c.tenant == tenant).distinct()
    for writer in sorted(connection.execute(found).scalars()):
        query = (
            select(audit_rows.c.writer, audit_rows.c.seq, audit_rows.c.body)
            .where(
                audit_rows.c.tenant == tenant, audit_rows.c.writer == writer, audit_rows.c.seq > numbered.get(writer, 0)
            )
            .order_by(audit_rows.c.seq)
        )
        yield from connection.execute(query, execution_options=STREAM)


def row_count(connection: Connection, tenant: str) -> int:
    """How many rows the log has."""
    query = select(func.count()).select_from(audit_rows).where(audit_rows.c.tenant == tenant)
    return connection.execute(query).scalar_one()


def known_writers(connection: Connection) -> set[int]:
    """Numbers of all writers that ever registered."""
    return set(connection.execute(select(audit_writers.c.writer)).scalars())


def _same_row() -> Any:  # SQLAlchemy's ON clause
    return and_(
        audit_rows.c.tenant == audit_leaves.c.tenant,
        audit_rows.c.writer == audit_leaves.c.writer,
        audit_rows.c.seq == audit_leaves.c.seq,
    )
