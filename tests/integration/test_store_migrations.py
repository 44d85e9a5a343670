"""Migrations: a store of the first revision becomes, step by step, what a new one is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, make_url, text

from gateway.errors import StoreIncompatible
from gateway.store.engines import embedded_engine, postgres_engine
from gateway.store.metadata import metadata
from gateway.store.migrations import HEAD, upgrade, version_table
from tests.integration.conftest import STORES
from tests.postgres import administer

FOLDER = Path(__file__).parent
KEY = bytes(32)


@contextmanager
def empty(request: pytest.FixtureRequest, store: str, folder: Path, name: str) -> Iterator[Engine]:
    """A database without any table."""
    if store == "embedded":
        engine = embedded_engine(folder / f"{name}.db", KEY, writer=True)
        yield engine
        engine.dispose()
        return
    server = request.getfixturevalue("server")
    administer(server, f"create database {name} template template0")
    engine = postgres_engine(make_url(server.replace("/postgres?", f"/{name}?", 1)), writer=True)
    yield engine
    engine.dispose()
    administer(server, f"drop database {name} with (force)")


def make_first(engine: Engine) -> None:
    """The tables as the first release made them: their text is kept, so that no later change of the code changes it."""
    statements = (FOLDER / f"schema_0001.{engine.dialect.name}.sql").read_text().split(";\n")
    with engine.begin() as connection:
        for statement in filter(str.strip, statements):
            connection.execute(text(statement))
        version_table.create(connection)
        connection.execute(version_table.insert().values(version_num="0001"))
        connection.execute(text("insert into blocks values ('messages', 4097)"))


def shape(engine: Engine) -> dict[str, Any]:
    """Every table with its columns, key and indexes."""
    found = inspect(engine)
    return {
        table: (
            [(one["name"], str(one["type"]), one["nullable"]) for one in found.get_columns(table)],
            found.get_pk_constraint(table)["constrained_columns"],
            sorted((str(one["name"]), one["column_names"], bool(one["unique"])) for one in found.get_indexes(table)),
        )
        for table in found.get_table_names()
    }


@pytest.mark.parametrize("store", STORES)
def test_the_first_store_becomes_what_a_new_one_is(request: pytest.FixtureRequest, store: str, tmp_path: Path) -> None:
    """Tables, columns, keys and indexes are the same, what was stored is still there, and again changes nothing."""
    with empty(request, store, tmp_path, "was_old") as old, empty(request, store, tmp_path, "is_new") as new:
        make_first(old)
        for engine in (old, new):
            upgrade(engine)
        assert shape(old) == shape(new)
        assert set(shape(new)) == {*metadata.tables, version_table.name}
        upgrade(old)
        with old.connect() as connection:
            assert connection.execute(text("select version_num from alembic_version")).scalar_one() == HEAD
            assert connection.execute(text("select next from blocks")).scalar_one() == 4097


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    """Code does not touch a store whose schema it does not know."""
    engine = embedded_engine(tmp_path / "newer.db", KEY, writer=True)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(version_table.update().values(version_num="9999"))
    with pytest.raises(StoreIncompatible):
        upgrade(engine)
    engine.dispose()
