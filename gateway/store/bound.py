"""Statements about rows that are bound by a MAC: those that are not as they were written, and those from before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hmac import compare_digest
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Table,
    Update,
    bindparam,
    column,
    func,
    select,
    tuple_,
    update,
)

from gateway.store.binding import MAC, binding_of, bound_names
from gateway.store.bulk import Prepared
from gateway.store.rows import STREAM, Found
from gateway.store.schema import changes, contexts, deliveries, messages, outcomes, records, routes, texts
from gateway.store.schema_http import disclosures
from gateway.store.schema_vault import shreds, told_of

TABLES = (messages, contexts, outcomes, records, changes, routes, deliveries, texts, told_of, shreds, disclosures)
"""Every table whose rows are bound."""
NAMES = tuple(table.name for table in TABLES)
Wrong = tuple[str, str]
"""(row, what is wrong with it)."""
MISSING = "it has no MAC: it was not written by the gateway"
CHANGED = "it is not as the gateway wrote it"


def wrong(connection: Connection, table: Table, tenant: str, *chosen: ColumnElement[bool]) -> Iterator[Wrong]:
    """Rows of a tenant, those chosen of them, that are not as they were written: (row, what is wrong).

    In an embedded store, whose pages have MACs, there is nothing to find.
    """
    if binding_of(connection) is not None:
        for row, found in _judged(connection, table, tenant, *chosen):
            if found:
                yield _named(table, row), found


def wrong_everywhere(connection: Connection, tenant: str) -> Iterator[tuple[str, Iterator[Wrong]]]:
    """The same of every table: its name, and its rows."""
    return ((table.name, wrong(connection, table, tenant)) for table in TABLES)


def wrong_of_what_left(
    connection: Connection, tenant: str, lane: int | None, patient: bytes | None
) -> Iterator[tuple[str, Iterator[Wrong]]]:
    """The same of deliveries, or those of one lane, and of what pages told, or told of one patient."""
    there = () if lane is None else (deliveries.c.lane == lane,)
    told = () if patient is None else (disclosures.c.patient == patient,)
    yield deliveries.name, wrong(connection, deliveries, tenant, *there)
    yield disclosures.name, wrong(connection, disclosures, tenant, *told)


def as_written(connection: Connection, table: Table, tenant: str) -> Iterator[Found]:
    """Rows of a tenant that are as they were written: for who would act on what a row says, and cannot undo it."""
    return (row for row, found in _judged(connection, table, tenant) if not found)


def _judged(
    connection: Connection, table: Table, tenant: str, *chosen: ColumnElement[bool]
) -> Iterator[tuple[Found, str]]:
    """Rows with what is wrong with them, empty where nothing is."""
    binding, names = binding_of(connection), bound_names(table)
    mine = (table.c.tenant == tenant,) if "tenant" in table.c else ()
    query = select(*(table.c[name] for name in names), table.c[MAC]).where(*mine, *chosen)
    for row in connection.execute(query, execution_options=STREAM):
        *values, found = row
        if binding is None:
            yield row, ""
        elif found is None:
            yield row, MISSING
        else:
            yield row, "" if compare_digest(found, binding.mac(table, values)) else CHANGED


def bind_some(
    connection: Connection, name: str, after: Sequence[Any] | None, most: int
) -> tuple[int, Sequence[Any] | None]:
    """Bind the next rows of a table behind ``after`` that have no MAC yet: how many, and where to go on, if at all."""
    binding, table = binding_of(connection), TABLES[NAMES.index(name)]
    if binding is None:
        return 0, None
    names, key = bound_names(table), _key(table)
    query = select(*(table.c[name] for name in names)).where(table.c[MAC].is_(None)).order_by(*key).limit(most)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    rows = connection.execute(query).fetchall()
    if rows:  # in one statement, of lists: one for each row would keep a start waiting more than twice as long
        told = {f"b_{one.name}": [getattr(row, one.name) for row in rows] for one in key}
        told["b_mac"] = [binding.mac(table, row) for row in rows]
        Prepared(_giving_macs(table))(connection, told)
    last = tuple(getattr(rows[-1], column.name) for column in key) if len(rows) == most else None
    return len(rows), last


def _giving_macs(table: Table) -> Update:
    """Gives rows without a MAC theirs: ``b_`` and the name of each column of the key, and ``b_mac``, a list each."""
    given = [*_key(table), table.c[MAC]]
    lists = (bindparam(f"b_{one.name}", type_=ARRAY(one.type)) for one in given)
    new = func.unnest(*lists).table_valued(*(column(one.name, one.type) for one in given), name="new").render_derived()
    same = (one == new.c[one.name] for one in _key(table))
    return update(table).where(*same, table.c[MAC].is_(None)).values({MAC: new.c[MAC]})


def _named(table: Table, row: Found) -> str:
    """A row by its table and key."""
    told = (getattr(row, column.name) for column in _key(table) if column.name != "tenant")
    return " ".join([table.name, *(one.hex() if isinstance(one, bytes) else str(one) for one in told)])


def _key(table: Table) -> list[Column[Any]]:
    return list(table.primary_key.columns)
