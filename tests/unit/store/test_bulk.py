"""Statements over many rows: all of them and only them, however many a list names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    delete,
    select,
    tuple_,
)

from gateway.store.bulk import AT_ONCE, MOST_LISTED, Among, Bulk, Upsert
from gateway.store.engines import embedded_engine

NUMBERS = Table(
    "numbers", MetaData(), Column("tenant", String), Column("number", Integer), Column("said", String),
    PrimaryKeyConstraint("tenant", "number"),
)  # fmt: skip
ADD = Bulk(NUMBERS.insert())
SAY = Upsert(NUMBERS, lambda new: {"said": NUMBERS.c.said + new.said})
FIND = Among(lambda listed: select(NUMBERS.c.number).where(NUMBERS.c.number.in_(listed)))
DROP = Among(
    lambda listed: delete(NUMBERS).where(tuple_(NUMBERS.c.tenant, NUMBERS.c.number).in_(listed)).returning(NUMBERS)
)
MANY = [1, 2, 3, 5, 127, 128, 129, AT_ONCE[0] * 2 + 1, MOST_LISTED + 1]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """An embedded store with one table."""
    engine = embedded_engine(tmp_path / "gateway.db", bytes(32), writer=True)
    with engine.begin() as opened:
        NUMBERS.create(opened)
        yield opened
    engine.dispose()


def _row(number: int, said: str = "") -> dict[str, object]:
    return {"tenant": "north", "number": number, "said": said}


def _numbers(connection: Connection) -> list[int]:
    return list(connection.execute(select(NUMBERS.c.number).order_by(NUMBERS.c.number)).scalars())


@pytest.mark.parametrize("count", MANY)
def test_every_row_of_an_insert_arrives(connection: Connection, count: int) -> None:
    """As many rows as were handed in are there, whatever groups they were inserted in."""
    ADD(connection, [_row(number) for number in range(count)])
    assert _numbers(connection) == list(range(count))


@pytest.mark.parametrize("count", MANY)
def test_a_list_finds_what_it_names_once(connection: Connection, count: int) -> None:
    """Each value of a list that is there is found once, also where the text has room for more values."""
    ADD(connection, [_row(number) for number in range(count + 5)])
    found = FIND(connection, {}, range(3, count + 10))
    assert sorted(row.number for row in found) == list(range(3, count + 5))


def test_a_deletion_tells_what_was_there(connection: Connection) -> None:
    """Of the tuples of a list those rows leave that are there, and only they are told; an empty list does nothing."""
    ADD(connection, [_row(number) for number in range(6)])
    assert DROP(connection, {}, []) == []
    left = DROP(connection, {}, [("north", 1), ("south", 2), ("north", 9), ("north", 4), ("north", 5)])
    assert sorted(row.number for row in left) == [1, 4, 5]
    assert _numbers(connection) == [0, 2, 3]


@pytest.mark.parametrize("count", MANY)
def test_a_row_that_is_there_is_changed(connection: Connection, count: int) -> None:
    """New rows are inserted, those that are there are changed as was said, and the others stay as they are."""
    ADD(connection, [_row(number, "a") for number in range(0, count * 2, 2)])
    SAY(connection, [_row(number, "b") for number in range(count)])
    said = dict(connection.execute(select(NUMBERS.c.number, NUMBERS.c.said)).all())
    assert said == {n: "a" * (n % 2 == 0) + "b" * (n < count) for n in {*range(0, count * 2, 2), *range(count)}}
