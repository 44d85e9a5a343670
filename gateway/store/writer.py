"""The one writer: a thread that runs units of work and commits them in groups.

Theory of operation. Callers hand in units (functions of a connection). The thread takes what is there, opens one
transaction, runs each unit, all but the first in a savepoint of its own, and commits once; only then are the units'
results given out. So a unit's result means "synced", the cost of the sync is shared, and a unit that fails undoes
itself alone. A unit may run more than once: where processes share a database, a group that met another one in a circle
is undone and run again.

A commit or I/O error is fatal to the connection: the operating system may have dropped the pages and would call the
next sync good. The writer then fails every unit of the group and every later one with ``StoreUnavailable``, closes the
connection, opens a new one, has it checked, and only then goes on. A unit that meets a page which cannot be read has
written nothing: it alone fails, with ``PageUnreadable``, and the others of its group run again on a new connection.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, RootTransaction
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from gateway.errors import PageUnreadable, StoreUnavailable

T = TypeVar("T")
Unit = Callable[[Connection], T]
Item = tuple[Unit[Any], Future[Any]]
GROUP_UNITS = 64
GROUP_SECONDS = 0.002
REOPEN_SECONDS = 0.5
RACES = 20
LOST_RACE = frozenset({"40001", "40P01"})
"""SQLSTATE of a transaction that PostgreSQL undid because it and another one waited for each other."""
DISK_FULL = "disk is full"
"""The one error after which nothing written is in doubt: the write was refused before it began."""
READ_ERROR = "disk I/O error"
"""What the driver says when the disk does not give a page back, where it does not take the file for damaged."""

log = structlog.get_logger(__name__)


class Writer:
    """Runs units of work on one connection of one thread.

    Args:
        engine: made for a single connection; its transactions begin as writers.
        check: run on a fresh connection after an I/O error, before any unit; raises while the store is not usable.
    """

    def __init__(self, engine: Engine, check: Unit[None]) -> None:
        self._engine = engine
        self._check = check
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._connection: Connection | None = None
        self._suspect = False
        self._in_doubt = False
        """Whether a commit was begun and has not returned: nobody knows whether it is kept."""
        self.healthy = True
        self.commits = 0

    def start(self) -> None:
        """Begin to take units."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the units handed in so far, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def submit(self, unit: Unit[T]) -> Future[T]:
        """Queue a unit; the future resolves after the commit that holds it was synced."""
        future: Future[T] = Future()
        self._queue.put((unit, future))
        return future

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            if not first[1].set_running_or_notify_cancel():
                continue
            taken = [first]
            try:
                self._serve(taken)
            except Exception as error:  # noqa: BLE001 - whatever it was: a writer that ended would leave all callers waiting
                self._fail(taken, error)
        if self._connection is not None:
            self._connection.close()

    def _serve(self, taken: list[Item]) -> None:
        """Run and commit one group; when one of it met a page that cannot be read, each unit alone."""
        connection = self._connected()
        try:
            self._group(connection, taken)
        except DatabaseError as error:
            if self._in_doubt or type(error) is not DatabaseError:
                raise
            self._let_go()
            for item in taken:
                if not item[1].done():
                    self._beside_a_page(item)

    def _beside_a_page(self, item: Item) -> None:
        """Run one unit of a group that met a page which cannot be read; if it is this one, tell it so."""
        connection = self._connected()
        try:
            self._alone(connection, item)
        except DatabaseError as error:
            if self._in_doubt or type(error) is not DatabaseError:
                raise
            self._let_go()
            log.error("page-unreadable", what="unit")  # noqa: TRY400 - a traceback may hold values
            item[1].set_exception(page_unreadable())

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _let_go(self) -> None:
        """After an error believe nothing of the connection; an encrypted one reads no page after one it could not."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()
        self._engine.dispose()

    def _open(self) -> Connection:
        connection = self._engine.connect()
        try:
            if self._suspect:
                with connection.begin():
                    self._check(connection)
        except BaseException:
            connection.close()
            raise
        self._suspect = False
        return connection

    def _group(self, connection: Connection, taken: list[Item]) -> None:
        """Run and commit one group, or its units one by one when together they met another process's in a circle."""
        try:
            self._commit(connection, self._gather(taken))
        except DBAPIError as error:
            if not _lost_race(error):
                raise
            for item in taken:
                self._alone(connection, item)

    def _gather(self, taken: list[Item]) -> Iterator[Item]:
        """The first unit, and after each unit the next that is there, while the group has room and time."""
        deadline = time.monotonic() + GROUP_SECONDS
        item: Item | None = taken[0]
        while item is not None:
            yield item
            item = self._next() if len(taken) < GROUP_UNITS and time.monotonic() < deadline else None
            if item is not None:
                taken.append(item)

    def _alone(self, connection: Connection, item: Item) -> None:
        for race in range(RACES):
            try:
                self._commit(connection, [item])
            except DBAPIError as error:
                if not _lost_race(error) or race == RACES - 1:
                    raise
            else:
                return

    def _commit(self, connection: Connection, items: Iterable[Item]) -> None:
        """Run units in one transaction, and give out their results once it is synced."""
        done: list[tuple[Future[Any], Any, BaseException | None]] = []
        self._in_doubt = False
        transaction = connection.begin()
        try:
            for unit, future in items:
                if done:
                    result, failed = _attempt(connection, unit)
                else:
                    transaction, result, failed = _first(connection, transaction, unit)
                done.append((future, result, failed))
            self._in_doubt = True
            transaction.commit()
        except BaseException as error:
            if not isinstance(error, DBAPIError) or _lost_race(error):
                transaction.rollback()
            raise
        self.commits += 1
        if not self.healthy:  # a connection opens on a full disk too; only a synced commit shows that the store is back
            log.info("store-reopened")
            self.healthy = True
        for future, result, failed in done:
            if failed is None:
                future.set_result(result)
            else:
                future.set_exception(failed)

    def _next(self) -> Item | None:
        """The next unit whose caller still waits for it; once it runs, it can be cancelled no more."""
        try:
            while (item := self._queue.get_nowait()) is not None:
                if item[1].set_running_or_notify_cancel():
                    return item
        except queue.Empty:
            return None
        self._queue.put(None)
        return None

    def _fail(self, taken: list[Item], error: Exception) -> None:
        """Tell every unit of the group that is not synced, and every one that waits; let go of the connection."""
        full = DISK_FULL in str(error)
        if self.healthy:
            log.error("store-unavailable", error=type(error).__name__, reason="disk-full" if full else "write-failed")
        self.healthy = False
        self._suspect = self._suspect or not full
        while (waiting := self._next()) is not None:
            taken.append(waiting)
        failure = StoreUnavailable("The store could not commit", fix="Check free disk space and the disk's health.")
        failure.__cause__ = error
        for _, future in taken:
            if not future.done():
                future.set_exception(failure)
        self._let_go()
        time.sleep(REOPEN_SECONDS)


def _first(
    connection: Connection, transaction: RootTransaction, unit: Unit[T]
) -> tuple[RootTransaction, T | None, BaseException | None]:
    """Run a group's first unit, which needs no savepoint: when it fails, the transaction holds nothing but its own."""
    try:
        return transaction, unit(connection), None
    except Exception as error:
        if is_of_the_store(error):
            raise
        transaction.rollback()
        return connection.begin(), None, error


def _attempt(connection: Connection, unit: Unit[T]) -> tuple[T | None, BaseException | None]:
    """Run one unit in its savepoint; what the database itself refuses ends the group, other errors end the unit."""
    connection.exec_driver_sql("SAVEPOINT unit")
    try:
        result = unit(connection)
    except Exception as error:
        if is_of_the_store(error):
            raise
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT unit")
        return None, error
    connection.exec_driver_sql("RELEASE SAVEPOINT unit")
    return result, None


def is_of_the_store(error: Exception) -> bool:
    """Whether an error tells of disk, file or server, and not of the unit; a plain DatabaseError is corruption."""
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost or isinstance(error, OperationalError) or type(error) is DatabaseError


def is_unreadable(error: DatabaseError) -> bool:
    """Whether a question met a page that the disk does not give back, or that is not as it was written."""
    return type(error) is DatabaseError or READ_ERROR in str(error.orig)


def page_unreadable() -> PageUnreadable:
    """What is told of such a page."""
    return PageUnreadable(
        "A page of the store's file cannot be read",
        where="gateway.db",
        fix="Run gateway verify ledger, check the disk, and restore the latest verified backup.",
    )


def _lost_race(error: DBAPIError) -> bool:
    """Whether the transaction was undone only because of what others did at the same time: it may run again."""
    return getattr(error.orig, "sqlstate", None) in LOST_RACE
