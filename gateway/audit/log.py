"""The audit log as the rest of the gateway uses it: append inside a unit of work, then get leave to look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from gateway.audit.entry import Entry, entry
from gateway.errors import AccessRefused
from gateway.store import audit as rows
from gateway.vault.grant import Grant

T = TypeVar("T")


class Store(Protocol):
    """What the log needs of the store."""

    def write_sync(self, unit: Callable[[Connection], T]) -> T:
        """Run a unit of work; return after its commit was synced."""

    def read_sync(self, query: Callable[[Connection], T]) -> T:
        """Run a query that sees only what is committed."""


class AuditLog:
    """One per store and process. Safe to use from any thread.

    A row's number is taken by the insert itself, from the rows that are there; whatever undoes the unit undoes the
    number with it, so a writer's numbers have no gap by construction. And a grant is given only for an entry that a
    reader finds in the store: not because somebody says that it was committed, but because it is there.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writer = store.write_sync(rows.register_writer)
        self._granted: set[Grant] = set()

    entry = staticmethod(entry)

    def append(self, connection: Connection, entry: Entry) -> None:
        """Write the entry in the unit of work whose effect it describes: both happen or neither does."""
        entry.position = (self._writer, rows.append(connection, entry.tenant, self._writer, entry.body))

    def commit(self, entry: Entry, change: Callable[[Connection], object] | None = None) -> None:
        """Write the entry, after the change that it tells of, in one unit of work; returns once it is synced."""

        def unit(connection: Connection) -> None:
            if change is not None:
                change(connection)
            self.append(connection, entry)

        self._store.write_sync(unit)

    def grant(self, entry: Entry) -> Grant:
        """Leave to open what the entry names, as a context manager; ``AccessRefused`` unless the entry is committed."""
        position = entry.position
        found = None
        if position is not None:
            found = self._store.read_sync(lambda connection: rows.body_of(connection, entry.tenant, *position))
        if found != entry.body:
            raise AccessRefused("Leave to open was asked for before the access entry was committed", where="audit log")
        grant = Grant(entry.tenant, entry.covers(), self._granted.discard)
        self._granted.add(grant)
        return grant

    def is_committed(self, grant: Grant) -> bool:
        """Whether this very grant was given here and is not over yet."""
        return grant in self._granted
