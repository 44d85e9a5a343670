"""The two databases: an encrypted SQLite file inside the process, and PostgreSQL for many processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlcipher3.dbapi2 as sqlcipher
from sqlalchemy import URL, Connection, Engine, FromClause, create_engine, event, text
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.pool import QueuePool

from gateway.errors import StoreIncompatible, StoreUnavailable
from gateway.store.binding import OPTION, Binding

SQLITE_LEAST = (3, 51, 3)
"""Older ones can corrupt a WAL that several connections use."""
CACHE_KIB = 65_536
STATEMENTS = 1024
"""Texts that the driver keeps ready: each statement for many rows has one for each number of rows."""


def check_sqlite(version: tuple[int, int, int] = sqlcipher.sqlite_version_info) -> None:
    """Refuse an SQLite library that cannot be trusted with a shared WAL."""
    if version < SQLITE_LEAST:
        found, least = ".".join(map(str, version)), ".".join(map(str, SQLITE_LEAST))
        raise StoreIncompatible(f"SQLite {found} is older than {least}", fix="Install sqlcipher3 0.6.4 or newer.")


class HintedCompiler(SQLiteCompiler):
    """SQLite's own, which writes the hints of a statement after the table's name, as ``INDEXED BY`` wants it."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002 - SQLAlchemy's form
        """The hint as it is."""
        return text


def embedded_engine(path: Path, key: bytes, *, writer: bool) -> Engine:
    """An engine over one encrypted file.

    Args:
        path: the database file; made when missing.
        key: 32 raw bytes; the file is unreadable without them.
        writer: one connection whose transactions begin as writers, or a few that only read.
    """
    check_sqlite()

    def connect() -> Any:  # the driver is untyped
        connection = sqlcipher.connect(str(path), check_same_thread=False, timeout=30, cached_statements=STATEMENTS)
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        cursor.execute("PRAGMA cipher_memory_security = OFF")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB if writer else CACHE_KIB // 8}")
        cursor.execute("PRAGMA wal_autocheckpoint = 4000")
        cursor.execute("PRAGMA temp_store = MEMORY")
        if not writer:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()
        return connection

    engine = create_engine(
        "sqlite://",
        module=sqlcipher,
        creator=connect,
        poolclass=QueuePool,
        pool_size=1 if writer else 4,
        max_overflow=0,
        hide_parameters=True,
    )
    engine.dialect.statement_compiler = HintedCompiler
    begin = "BEGIN IMMEDIATE" if writer else "BEGIN"

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def postgres_engine(url: URL, *, writer: bool, key: bytes | None = None) -> Engine:
    """An engine over PostgreSQL; commits wait for the server's own sync.

    Args:
        url: the database, with its password.
        writer: one connection that writes, or a few that only read.
        key: 32 bytes by which rows are bound; none for who only migrates.
    """
    return create_engine(
        url,
        pool_size=1 if writer else 4,
        max_overflow=0,
        hide_parameters=True,
        pool_pre_ping=True,
        execution_options={} if key is None else {OPTION: Binding(key)},
        connect_args={
            "options": "-c synchronous_commit=on -c idle_in_transaction_session_timeout=30s"
            + ("" if writer else " -c default_transaction_read_only=on")
        },
    )


def check_usable(connection: Connection) -> None:
    """Raise unless the store can be trusted again after an error: quick integrity check, and a write that fits."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("select 1"))
        return
    verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if verdict != "ok":
        raise StoreUnavailable("The store's integrity check failed", fix="Restore the latest verified backup.")
