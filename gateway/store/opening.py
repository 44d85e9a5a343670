"""Opening a store: engine, schema, writer, readers and id blocks as one object."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, make_url, update
from sqlalchemy.exc import DatabaseError

from gateway.errors import IntegrityViolated, InvalidConfiguration, StoreUnavailable
from gateway.store import migrations
from gateway.store.engines import check_usable, embedded_engine, postgres_engine
from gateway.store.leading import Leadership, take_seat
from gateway.store.schema import blocks
from gateway.store.writer import Unit, Writer, is_of_the_store, is_unreadable, page_unreadable

T = TypeVar("T")
BLOCK = 4096


class Store:
    """Every change through one writer, every question through a few readers."""

    def __init__(self, writing: Engine, reading: Engine) -> None:
        self._writing = writing
        self._reading = reading
        self._writer = Writer(writing, check_usable)
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="store-reader")
        self._ids: dict[str, tuple[int, int]] = {}
        self._ids_lock = threading.Lock()
        self.dialect = writing.dialect.name

    def start(self) -> None:
        """Bring the schema up to date and begin to take units.

        Raises:
            IntegrityViolated: the file, or the log beside it, is not what this store's key wrote.
            StoreUnavailable: the disk or the database server does not answer.
        """
        try:
            migrations.upgrade(self._writing)
        except DatabaseError as error:
            if type(error) is DatabaseError:  # what the driver says of content; its subclasses tell of circumstances
                raise IntegrityViolated(
                    "The store's file or its write-ahead log is not what this keystore's key has written",
                    where="data.directory",
                    fix="Put back the gateway.db-wal that belongs to it, or restore the latest verified backup.",
                ) from None
            if not is_of_the_store(error):
                raise
            raise StoreUnavailable(
                "The store could not be opened", fix="Check the disk and the database server."
            ) from error
        self._writer.start()

    def close(self) -> None:
        """Finish queued units, then let go of every connection."""
        self._writer.stop()
        self._readers.shutdown()
        self._writing.dispose()
        self._reading.dispose()

    def leadership(self) -> Leadership | None:
        """The lock that tells who leads among processes that share this store; None for one process's own file."""
        return Leadership(self._writing) if self.dialect == "postgresql" else None

    def seat(self) -> tuple[int, Leadership | None]:
        """A number that this process alone has among those that share this store, and the lock that keeps it.

        The seat of a process that died is free again, so its successor finds what it left.
        """
        return take_seat(self._writing) if self.dialect == "postgresql" else (0, None)

    @property
    def healthy(self) -> bool:
        """False from the first failed commit until the store was reopened and checked."""
        return self._writer.healthy

    def submit(self, unit: Unit[T]) -> Future[T]:
        """Queue a unit of work; the future resolves, on the writer's thread, after its commit was synced."""
        return self._writer.submit(unit)

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit of work and wait for the synced commit."""
        return await asyncio.wrap_future(self._writer.submit(unit))

    def write_sync(self, unit: Unit[T]) -> T:
        """The same, for a thread that is not the event loop's."""
        return self._writer.submit(unit).result()

    def read_sync(self, query: Unit[T]) -> T:
        """Run a query on a reader's snapshot in this thread.

        Raises:
            PageUnreadable: the query met a page that the disk does not give back, or that is not as it was written.
            StoreUnavailable: the store does not answer.
        """
        try:
            with self._reading.connect() as connection:
                return self._asked(connection, query)
        except DatabaseError as error:
            if not is_of_the_store(error):
                raise
            if is_unreadable(error):
                raise page_unreadable() from error
            raise StoreUnavailable(
                "The store could not be read", fix="Check the disk and the database server."
            ) from error

    def _asked(self, connection: Connection, query: Unit[T]) -> T:
        try:
            with connection.begin():
                return query(connection)
        except DatabaseError as error:
            if self.dialect == "sqlite" and is_of_the_store(error):
                connection.invalidate()  # after one page that cannot be read an encrypted connection reads no other
            raise

    async def read(self, query: Unit[T]) -> T:
        """Run a query in a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_sync, query)

    def copy(self, to: Path) -> None:
        """Write a consistent copy of the embedded file, sealed by the same key, beside whoever writes.

        It holds rows only: what was deleted before is in none of its pages.
        """
        connection = self._reading.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA query_only = OFF")
            cursor.execute("VACUUM INTO ?", (str(to),))
            cursor.execute("PRAGMA query_only = ON")
            cursor.close()
        finally:
            connection.close()

    def damaged_pages(self) -> list[str]:
        """Pages of the embedded file that are not as they were written, in words; a server looks after its own.

        Each page carries a MAC under the file's key, also those that no question reads. One that is being written may
        look torn, so only what two looks agree on counts.
        """
        if self.dialect == "postgresql":
            return []
        found = self.read_sync(_broken_macs)
        return sorted(found & self.read_sync(_broken_macs)) if found else []

    def next_id(self, name: str = "messages") -> int:
        """A new number, unique in this store and greater than all that this process took before.

        Taken in blocks that are committed before use, so a number is never given twice; gaps mean nothing.
        """
        with self._ids_lock:
            current, end = self._ids.get(name, (0, 0))
            if current >= end:
                current = self.write_sync(lambda connection: _take_block(connection, name))
                end = current + BLOCK
            self._ids[name] = (current + 1, end)
            return current


def _broken_macs(connection: Connection) -> set[str]:
    return {str(row[0]) for row in connection.exec_driver_sql("PRAGMA cipher_integrity_check")}


def _take_block(connection: Connection, name: str) -> int:
    taken = connection.execute(
        update(blocks).where(blocks.c.name == name).values(next=blocks.c.next + BLOCK).returning(blocks.c.next)
    ).scalar_one_or_none()
    if taken is None:
        connection.execute(blocks.insert().values(name=name, next=1 + BLOCK))
        return 1
    return int(taken) - BLOCK


def open_store(url: str, password: str | None, folder: Path, file_key: Callable[[], bytes]) -> Store:
    """Open the store that ``[store] url`` names.

    Args:
        url: ``embedded`` for an encrypted file in ``folder``, or a ``postgresql+psycopg://`` URL.
        password: of the database server, when it asks for one.
        folder: where the embedded file lives.
        file_key: gives the 32-byte key of the embedded file; on PostgreSQL rows are bound by one derived from it.
    """
    if url == "embedded":
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path, key = folder / "gateway.db", file_key()
        return Store(embedded_engine(path, key, writer=True), embedded_engine(path, key, writer=False))
    if url.startswith("postgresql+psycopg://"):
        server = make_url(url) if password is None else make_url(url).set(password=password)
        key = file_key()
        return Store(postgres_engine(server, writer=True, key=key), postgres_engine(server, writer=False, key=key))
    raise InvalidConfiguration(
        "The store is neither embedded nor PostgreSQL",
        where="store.url",
        fix='Use "embedded" or "postgresql+psycopg://".',
    )
