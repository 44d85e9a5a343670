"""Statements that go over many rows: compiled once, then run with the rows as the driver takes them.

SQLAlchemy examines every value of every row each time a statement runs, which costs more than the insert itself. The
columns of this store need no conversion on the way in, so only the statement's text is taken from it.

An embedded database lets go of the interpreter for every statement it steps, and has to wait for it again afterwards.
There an insert takes many rows in one statement: the wait is paid once for all of them. So is it for a statement about
the rows that a list names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import BindParameter, Connection, CursorResult, Select, Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase

from gateway.store.binding import MAC, binding_of, bound_names

Row = Mapping[str, Any]
Value = TypeVar("Value")
PORTION = 5000
"""Values in one statement: SQLite takes 32,766 of them, PostgreSQL 65,535."""
AT_ONCE = (128, 64, 32, *range(16, 1, -1))
"""Rows that one embedded insert may take: few sizes, so that the driver knows every text already, and those of a small
unit each, so that it needs one statement."""
MOST_LISTED = 1024
"""Values of a list that one statement names."""


class _Text(NamedTuple):
    """A statement in a database's own words."""

    text: str
    parameters: Callable[[Row], Any]
    """Makes of a row the parameters it wants."""
    group: str = ""
    """The part of the text that stands for one row; empty when a statement takes one row only."""
    bound: Table | None = None
    """The table whose rows get their MAC on the way in."""


def portions(values: Iterable[Value], most: int = PORTION) -> Iterator[list[Value]]:
    """The same values, no more at a time than one statement may name."""
    rest = iter(values)
    while some := list(islice(rest, most)):
        yield some


class Bulk:
    """One insert, update or delete, for as many rows as there are.

    A row has a value for each parameter of the statement, by its name; all rows of a call have the same names.
    """

    def __init__(self, statement: UpdateBase) -> None:
        self._statement = statement
        self._texts: dict[tuple[str, ...], _Text] = {}

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Run the statement for every row, in order; without rows nothing happens."""
        if not rows:
            return
        shape = (connection.dialect.name, *rows[0])
        found = self._texts.get(shape)
        if found is None:
            found = self._texts[shape] = self._compiled(connection, list(rows[0]))
        if found.bound is not None:
            rows = _bind(connection, found.bound, rows)
        values = list(map(found.parameters, rows))
        if found.group:
            values = values[_many(connection, found, values) :]
        if values:
            connection.exec_driver_sql(found.text, values)

    def _compiled(self, connection: Connection, names: list[str]) -> _Text:
        bound = self._bound(connection)
        names = names if bound is None else [*names, MAC]
        compiled = self._statement.compile(dialect=connection.dialect, column_keys=names, for_executemany=True)
        found = _in_words(compiled)._replace(bound=bound)
        if compiled.positiontup is None or not self._statement.is_insert:
            return found
        group = "(" + ", ".join("?" * len(compiled.positiontup)) + ")"
        return found._replace(group=group) if found.text.count(group) == 1 else found

    def _bound(self, connection: Connection) -> Table | None:
        """The table, where the statement inserts rows that are to be bound."""
        table = self._statement.table
        here = self._statement.is_insert and connection.dialect.name == "postgresql"
        return table if here and isinstance(table, Table) and MAC in table.c else None


class Upsert:
    """Inserts rows, and changes those whose key is there already.

    Args:
        table: whose primary key is meant.
        changed: what is set in a row that is there, by column, made of the columns of the row that was to be inserted.
    """

    def __init__(self, table: Table, changed: Callable[[Any], Mapping[str, Any]]) -> None:
        key = list(table.primary_key.columns)
        new_here, new_there = sqlite.insert(table), postgresql.insert(table)
        told_there = dict(changed(new_there.excluded))
        if MAC in table.c:
            told_there[MAC] = new_there.excluded[MAC]
        self._bulks = {
            "sqlite": Bulk(new_here.on_conflict_do_update(index_elements=key, set_=changed(new_here.excluded))),
            "postgresql": Bulk(new_there.on_conflict_do_update(index_elements=key, set_=told_there)),
        }

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Put every row in its place; no key may come twice."""
        self._bulks[connection.dialect.name](connection, rows)


class Prepared:
    """One statement whose parameters are always the same and that answers with rows: compiled once, as for Bulk.

    Its rows hold what the driver gives, by the names of the columns.
    """

    def __init__(self, statement: Select[Any] | UpdateBase) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}

    def __call__(self, connection: Connection, parameters: Row) -> CursorResult[Any]:
        """Run the statement with a value for each of its parameters."""
        dialect = connection.dialect
        found = self._texts.get(dialect.name)
        if found is None:
            found = self._texts[dialect.name] = _in_words(self._statement.compile(dialect=dialect))
        return connection.exec_driver_sql(found.text, found.parameters(parameters))


class Among:
    """One statement about the rows that a list names: compiled once for lists of few lengths, as for Prepared.

    A list that is shorter than a text takes repeats its last value: what is named twice is found once.

    Args:
        made: the statement, made with the parameter that stands for the list.
    """

    def __init__(self, made: Callable[[BindParameter[Any]], Select[Any] | UpdateBase]) -> None:
        self._made = made
        self._texts: dict[tuple[str, int], tuple[_Text, Sequence[str]]] = {}

    def __call__(self, connection: Connection, parameters: Row, listed: Iterable[Any]) -> list[Any]:
        """Rows of the answers for all values or tuples of values of the list, in portions; none for an empty list."""
        found: list[Any] = []
        for some in portions(listed, MOST_LISTED):
            size = 1 << (len(some) - 1).bit_length()
            padded = some + [some[-1]] * (size - len(some))
            shape = (connection.dialect.name, size)
            if shape not in self._texts:
                self._texts[shape] = self._compiled(connection, parameters, padded)
            text, names = self._texts[shape]
            flat = chain.from_iterable(padded) if isinstance(padded[0], tuple) else padded
            named = {**parameters, **dict(zip(names, flat, strict=True))}
            found += connection.exec_driver_sql(text.text, text.parameters(named)).fetchall()
        return found

    def _compiled(self, connection: Connection, parameters: Row, values: list[Any]) -> tuple[_Text, Sequence[str]]:
        statement = self._made(bindparam("listed", values, expanding=True))
        compiled = statement.compile(dialect=connection.dialect)
        state = compiled.construct_expanded_state({**parameters, "listed": values})
        return _text(state.statement, state.positiontup), state.parameter_expansion["listed"]


def _bind(connection: Connection, table: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """The same rows, each with its MAC."""
    binding = binding_of(connection)
    if binding is None:
        return rows
    names = bound_names(table)
    return [{**row, MAC: binding.mac(table, map(row.get, names))} for row in rows]


def _in_words(compiled: SQLCompiler) -> _Text:
    """The text of a compiled statement, and its parameters as the driver takes them: by place or by name."""
    return _text(str(compiled), compiled.positiontup)


def _text(text: str, places: Sequence[str] | None) -> _Text:
    if places is None:
        return _Text(text, dict)
    return _Text(text, itemgetter(*places) if len(places) > 1 else lambda row: tuple(map(row.__getitem__, places)))


def _many(connection: Connection, statement: _Text, values: list[Any]) -> int:
    """Insert as many rows as whole groups take; how many those were."""
    at = 0
    for size in AT_ONCE:
        while len(values) - at >= size:
            text = statement.text.replace(statement.group, ", ".join([statement.group] * size))
            connection.exec_driver_sql(text, tuple(chain.from_iterable(values[at : at + size])))
            at += size
    return at
