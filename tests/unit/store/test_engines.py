"""Which databases the store refuses, and what its embedded file gives away."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlcipher3.dbapi2 as sqlcipher
from sqlalchemy import Engine, text

from gateway.errors import InvalidConfiguration, StoreIncompatible
from gateway.store.engines import SQLITE_LEAST, check_sqlite, embedded_engine
from gateway.store.migrations import HEAD, upgrade
from gateway.store.opening import open_store

KEY = bytes(range(32))


@pytest.fixture
def engine(tmp_path: Path):
    """An embedded file's writing engine."""
    made = embedded_engine(tmp_path / "gateway.db", KEY, writer=True)
    yield made
    made.dispose()


@pytest.mark.parametrize("version", [(3, 51, 2), (3, 46, 1), (2, 99, 99)])
def test_an_old_sqlite_is_refused(version: tuple[int, int, int]) -> None:
    """A library with the WAL fault stops the start and says which version is needed."""
    with pytest.raises(StoreIncompatible, match=r"3\.51\.3"):
        check_sqlite(version)


@pytest.mark.parametrize("version", [SQLITE_LEAST, (3, 51, 10), (3, 60, 0), (4, 0, 0)])
def test_a_good_sqlite_is_taken(version: tuple[int, int, int]) -> None:
    """The least version and every newer one are good, compared as numbers."""
    check_sqlite(version)


def test_the_installed_sqlite_is_good() -> None:
    """The library that is installed here may be used."""
    check_sqlite()
    assert sqlcipher.sqlite_version_info >= SQLITE_LEAST


def test_a_newer_schema_is_refused_untouched(engine: Engine) -> None:
    """A database that a newer gateway used is refused, and stays at its revision."""
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(StoreIncompatible, match="9999"):
        upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("select version_num from alembic_version")).scalar_one() == "9999"


def test_an_upgrade_is_made_once(engine: Engine) -> None:
    """A second upgrade finds nothing to do."""
    upgrade(engine)
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("select version_num from alembic_version")).scalar_one() == HEAD


def test_every_commit_is_synced_to_the_file(engine: Engine) -> None:
    """The embedded file is in WAL mode with full synchronisation, on the writer's own connection."""
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2


def test_readers_cannot_write(engine: Engine, tmp_path: Path) -> None:
    """A reader's connection refuses to change anything."""
    upgrade(engine)
    reader = embedded_engine(tmp_path / "gateway.db", KEY, writer=False)
    try:
        with pytest.raises(Exception, match="readonly"), reader.begin() as connection:
            connection.execute(text("delete from messages"))
    finally:
        reader.dispose()


def test_the_file_is_unreadable_without_its_key(engine: Engine, tmp_path: Path) -> None:
    """Nothing of the embedded file is plain text, and another key does not open it."""
    upgrade(engine)
    engine.dispose()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"SQLite format" not in stored
    assert b"messages" not in stored
    stranger = embedded_engine(tmp_path / "gateway.db", bytes(32), writer=True)
    with pytest.raises(Exception, match="not a database"):
        upgrade(stranger)
    stranger.dispose()


def test_another_kind_of_database_is_refused(tmp_path: Path) -> None:
    """A URL of a database that the store was never tried with is a mistake of the configuration."""
    with pytest.raises(InvalidConfiguration, match=r"store\.url"):
        open_store("mysql://somewhere/gateway", None, tmp_path, lambda: KEY)
