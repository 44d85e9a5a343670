"""Statements that go over many rows: compiled once, then run with the rows as the driver takes them.

SQLAlchemy examines every value of every row each time a statement runs, which costs more than the insert itself. The
columns of this store need no conversion on the way in, so only the statement's text is taken from it.

An embedded database lets go of the interpreter for every statement it steps, and has to wait for it again afterwards.
There an insert takes many rows in one statement: the wait is paid once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, CursorResult, Select
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase

Row = Mapping[str, Any]
Value = TypeVar("Value")
PORTION = 5000
"""Values in one statement: SQLite takes 32,766 of them, PostgreSQL 65,535."""
AT_ONCE = (100, 10)
"""Rows that one embedded insert may take: few sizes, so that the driver knows every text already."""


class _Text(NamedTuple):
    """A statement in a database's own words."""

    text: str
    parameters: Callable[[Row], Any]
    """Makes of a row the parameters it wants."""
    group: str = ""
    """The part of the text that stands for one row; empty when a statement takes one row only."""


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
        values = list(map(found.parameters, rows))
        if found.group:
            values = values[_many(connection, found, values) :]
        if values:
            connection.exec_driver_sql(found.text, values)

    def _compiled(self, connection: Connection, names: list[str]) -> _Text:
        compiled = self._statement.compile(dialect=connection.dialect, column_keys=names, for_executemany=True)
        found = _in_words(compiled)
        if compiled.positiontup is None or not self._statement.is_insert:
            return found
        group = "(" + ", ".join("?" * len(compiled.positiontup)) + ")"
        return found._replace(group=group) if found.text.count(group) == 1 else found


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


def _in_words(compiled: SQLCompiler) -> _Text:
    """The text of a compiled statement, and its parameters as the driver takes them: by place or by name."""
    places = compiled.positiontup
    return _Text(str(compiled), dict if places is None else itemgetter(*places))


def _many(connection: Connection, statement: _Text, values: list[Any]) -> int:
    """Insert as many rows as whole groups take; how many those were."""
    at = 0
    for size in AT_ONCE:
        while len(values) - at >= size:
            text = statement.text.replace(statement.group, ", ".join([statement.group] * size))
            connection.exec_driver_sql(text, tuple(chain.from_iterable(values[at : at + size])))
            at += size
    return at
