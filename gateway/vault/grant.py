"""Leave to open sealed values, given only against an access entry that is already in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from gateway.vault.place import Place


class Grant:
    """Names the rows that one committed access entry allows to be opened.

    Only the object that the audit log handed out counts: an equal one made by hand opens nothing. Use it as a context
    manager; afterwards it opens nothing any more.
    """

    __slots__ = ("_release", "rows", "tenant")

    def __init__(self, tenant: str, rows: frozenset[tuple[str, bytes]], release: Callable[[Grant], None]) -> None:
        self.tenant = tenant
        self.rows = rows
        self._release = release

    def covers(self, place: Place) -> bool:
        """Whether the access entry named this row of this table of this tenant."""
        return place.tenant == self.tenant and (place.table, place.row) in self.rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release(self)
