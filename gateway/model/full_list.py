"""The full list of a source, as an adapter shows it to the core: what deletions and missed updates are found by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from gateway.model.exchange import Item


class Seen(msgspec.Struct, frozen=True, gc=False):
    """One row of a source's full list."""

    native_id: str
    version: str = ""
    """The source's own version, written as its patches write it; empty when the list does not tell."""
    item: Item | None = None
    """Its message, where the list shows whole rows that tell no version: then the bytes are compared."""


class SweepPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a source's full list."""

    seen: tuple[Seen, ...]
    cursor: str | None
    """Where the next page begins; None at the end of a list that was complete by its own count."""
    unreadable: int = 0
    """Rows of the page whose id cannot be told: then nothing is judged absent."""


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What a direct question after some rows was answered with."""

    items: tuple[Item, ...]
    found: frozenset[str]
    """Native ids of the rows that exist."""


class Sweep(Protocol):
    """A slow full reading of one list, by which deletions and missed updates are found; given to the poller."""

    name: str
    type: str
    """Canonical type of the records that bear the rows' native ids."""
    also: Sequence[tuple[str, str]]
    """Type and ending of the native id of further records made of a row alone, which end with it."""
    versioned: bool
    """Whether rows tell a version; if not, each bears its message."""
    history: bool
    """Whether polling leaves what is old to the sweep: then the first one begins at once."""

    def owns(self, native_id: str) -> bool:
        """Whether a record of its type with this native id is made of a row of this list, and not of another list's."""

    async def page(self, cursor: str | None) -> SweepPage:
        """The page at ``cursor``, or the first; every row that makes a record is on one, hidden rows are not."""

    async def look(self, native_ids: Sequence[str]) -> Looked:
        """Ask for these rows by their ids, hidden ones too: their messages, and which of them exist."""
