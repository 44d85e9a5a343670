"""The one writer: a thread that runs units of work and commits them in groups.

Theory of operation. Callers hand in units (functions of a connection). The thread takes what is there, opens one
transaction, runs each unit in its own savepoint and commits once; only then are the units' results given out. So a
unit's result means "synced", the cost of the sync is shared, and a unit that fails undoes itself alone.

A commit or I/O error is fatal to the connection: the operating system may have dropped the pages and would call the
next sync good. The writer then fails every unit of the group and every later one with ``StoreUnavailable``, closes the
connection, opens a new one, has it checked, and only then goes on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from gateway.errors import StoreUnavailable

T = TypeVar("T")
Unit = Callable[[Connection], T]
GROUP_UNITS = 64
GROUP_SECONDS = 0.002
REOPEN_SECONDS = 0.5
DISK_FULL = "disk is full"
"""The one error after which nothing written is in doubt: the write was refused before it began."""

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
        self._queue: queue.SimpleQueue[tuple[Unit[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._suspect = False
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
        connection: Connection | None = None
        while (first := self._queue.get()) is not None:
            if not first[1].set_running_or_notify_cancel():
                continue
            try:
                connection = connection or self._open()
                self._group(connection, first)
            except (DBAPIError, StoreUnavailable) as error:
                connection = self._fail(connection, first, error)
        if connection is not None:
            connection.close()

    def _open(self) -> Connection:
        connection = self._engine.connect()
        try:
            if self._suspect:
                with connection.begin():
                    self._check(connection)
        except BaseException:
            connection.close()
            raise
        if not self.healthy:
            log.info("store-reopened")
        self.healthy = True
        self._suspect = False
        return connection

    def _group(self, connection: Connection, first: tuple[Unit[Any], Future[Any]]) -> None:
        """Run and commit one group."""
        done: list[tuple[Future[Any], Any, BaseException | None]] = []
        current: tuple[Unit[Any], Future[Any]] | None = first
        deadline = time.monotonic() + GROUP_SECONDS
        transaction = connection.begin()
        try:
            while current is not None:
                unit, future = current
                current = None
                done.append((future, None, None))
                done[-1] = (future, *_attempt(connection, unit))
                if len(done) < GROUP_UNITS and time.monotonic() < deadline:
                    current = self._next()
            transaction.commit()
        except BaseException as error:
            failure = StoreUnavailable("The store could not commit", fix="Check free disk space and the disk's health.")
            failure.__cause__ = error
            for future, _, _ in done:
                if future is not first[1]:
                    future.set_exception(failure)
            if not isinstance(error, DBAPIError):
                transaction.rollback()
            raise
        self.commits += 1
        for future, result, failed in done:
            if failed is None:
                future.set_result(result)
            else:
                future.set_exception(failed)

    def _next(self) -> tuple[Unit[Any], Future[Any]] | None:
        """The next unit whose caller still waits for it; once it runs, it can be cancelled no more."""
        try:
            while (item := self._queue.get_nowait()) is not None:
                if item[1].set_running_or_notify_cancel():
                    return item
        except queue.Empty:
            return None
        self._queue.put(None)
        return None

    def _fail(
        self, connection: Connection | None, first: tuple[Unit[Any], Future[Any]], error: Exception
    ) -> Connection | None:
        if self.healthy:
            log.error("store-unavailable", error=type(error).__name__)
        self.healthy = False
        self._suspect = self._suspect or DISK_FULL not in str(error)
        failure = StoreUnavailable("The store could not commit", fix="Check free disk space and the disk's health.")
        failure.__cause__ = error
        first[1].set_exception(failure)
        if connection is not None:
            connection.invalidate()
            connection.close()
        self._engine.dispose()
        time.sleep(REOPEN_SECONDS)
        return None


def _attempt(connection: Connection, unit: Unit[T]) -> tuple[T | None, BaseException | None]:
    """Run one unit in its savepoint; what the database itself refuses ends the group, other errors end the unit."""
    savepoint = connection.begin_nested()
    try:
        result = unit(connection)
    except OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - the seam between units: one unit's own error is not its neighbours'
        savepoint.rollback()
        return None, error
    savepoint.commit()
    return result, None
