"""Leaving: what a reader of some locations hears of a record that was taken to another: it is gone.

To such a reader the change is a removal, with the content that the record had before: what it holds since is not for
it. Who reads both locations, or all, hears of an update.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from gateway.flow.route import Filter
from gateway.store import journal
from gateway.store.rows import Found


class Departed:
    """A change as who lost the record hears of it; everything but kind and content is the change's own."""

    kind = "removed"

    def __init__(self, change: Found, before: Found) -> None:
        self._change, self._before = change, before
        self.key_id, self.wrapped, self.box = before.key_id, before.wrapped, before.box
        self.sealed_version: int = before.version

    def __getattr__(self, name: str) -> Any:  # a row of the journal has values of many types
        return getattr(self._change, name)


def as_heard(connection: Connection, tenant: str, filter_: Filter, changes: Iterable[Found]) -> list[Found]:
    """These changes, which the filter wants, as its reader hears of them."""
    rows = list(changes)
    if not filter_.locations:
        return rows
    lost = {(bytes(row.record_id), row.version - 1) for row in rows if filter_.lost(row)}
    if not lost:
        return rows
    before = journal.versions(connection, tenant, lost)
    return [Departed(row, before[bytes(row.record_id), row.version - 1]) if filter_.lost(row) else row for row in rows]


def sealed_version(change: Found) -> int:
    """The version whose content is opened for a change."""
    version: int = change.sealed_version if isinstance(change, Departed) else change.version
    return version
