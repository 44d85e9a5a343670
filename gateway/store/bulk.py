"""Statements that go over many rows: compiled once, then run with the rows as the driver takes them.

SQLAlchemy examines every value of every row each time a statement runs, which costs more than the insert itself. The
columns of this store need no conversion on the way in, so only the statement's text is taken from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.sql.dml import UpdateBase

Row = Mapping[str, Any]
Value = TypeVar("Value")
PORTION = 5000
"""Values in one statement: SQLite takes 32,766 of them, PostgreSQL 65,535."""
_Text = tuple[str, Callable[[Row], Any]]
"""The statement in a database's own words, and what makes of a row the parameters it wants."""


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
        text, parameters = found
        connection.exec_driver_sql(text, [parameters(row) for row in rows])

    def _compiled(self, connection: Connection, names: list[str]) -> _Text:
        compiled = self._statement.compile(dialect=connection.dialect, column_keys=names, for_executemany=True)
        places = compiled.positiontup
        return str(compiled), dict if places is None else itemgetter(*places)
