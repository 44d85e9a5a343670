"""MACs of rows: over everything that lasts, under one store's key; an embedded store makes none."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, select

from gateway.flow import bound_rows
from gateway.store import bound
from gateway.store.binding import MAC, MOVES, SIZE, Binding, bound_names, mac_column
from gateway.store.messages import settle
from gateway.store.metadata import metadata
from gateway.store.schema import outcomes
from tests.integration.parts import TENANT, Place, message, patient

KEY = bytes(range(32))


def table_of(name: str, *columns: str) -> Table:
    """A bound table of texts."""
    moves = Column("wrapped", String, info=MOVES)
    number = Column("number", Integer, primary_key=True)
    return Table(name, MetaData(), number, *(Column(one, String) for one in columns), moves, mac_column())


NOTES = table_of("notes", "said", "to")


def mac(table: Table = NOTES, key: bytes = KEY, **values: object) -> bytes:
    """The MAC of a row with these values."""
    return Binding(key).mac(table, map(values.get, bound_names(table)))


def test_a_mac_is_over_everything_that_lasts() -> None:
    """Another value, a value in another column, another table and another key each give another MAC."""
    all_of = [
        mac(number=1, said="a"), mac(number=2, said="a"), mac(number=1, said="b"), mac(number=1, to="a"),
        mac(number=1), mac(number=1, said=""), mac(number=1, said="a", to=""), mac(number=1, said="ab"),
        mac(number=1, said="a", to="b"), mac(table_of("others", "said", "to"), number=1, said="a"),
        mac(key=bytes(32), number=1, said="a"), mac(number="1", said="a"), mac(number=1, said=b"a"),
    ]  # fmt: skip
    assert len(set(all_of)) == len(all_of)
    assert {len(one) for one in all_of} == {SIZE}


def test_a_mac_is_the_same_for_the_same_row() -> None:
    """What moves is not in it, nor a column without a value: one that is added later leaves it as it is."""
    first = mac(number=1, said="a")
    assert mac(number=1, said="a", wrapped="x") == first
    assert mac(table_of("notes", "to", "said", "later"), number=1, said="a", later=None) == first


class Text(str):
    """A text of a class of its own, as a library may hand over."""

    __slots__ = ()


def test_a_text_is_a_text_whatever_its_class() -> None:
    """The driver stores it as text, so it has the MAC of that text; what no column holds is refused."""
    assert mac(number=1, said=Text("a")) == mac(number=1, said="a")
    with pytest.raises(TypeError):
        mac(number=1, said=1.5j)


def test_every_table_with_a_mac_is_looked_at() -> None:
    """No table gets the column and is forgotten by who checks, and what moves is sealed or opens what is sealed."""
    assert set(bound.TABLES) == {table for table in metadata.tables.values() if MAC in table.c}
    for table in bound.TABLES:
        free = {column.name for column in table.c} - {*bound_names(table), MAC}
        assert free <= {"key_id", "wrapped", "box"}, table.name
        assert list(table.c)[-1].name == MAC


def test_an_embedded_store_makes_no_mac(tmp_path: Path) -> None:
    """Its pages have theirs: the column stays empty, a start binds nothing, and nothing is found missing."""
    parts = Place(tmp_path, "embedded").open()
    parts.take(message(patient("p1", "A")))
    bound_rows.bind_first(parts.store, parts.keystore, parts.audit, [TENANT])
    found = parts.store.read_sync(lambda c: c.execute(select(outcomes.c.mac)).scalars().all())
    assert set(found) == {None}
    assert not parts.keystore.has(*bound_rows.MARK)
    assert parts.ledger().problems == []
    parts.store.write_sync(lambda connection: settle(connection, []))
    parts.close()
