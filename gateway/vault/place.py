"""Where a sealed value lives, as bytes that encryption binds it to."""

from __future__ import annotations

from functools import lru_cache

import msgspec

FORMAT = 1
"""Version of the sealed form; part of every binding, so a value cannot be presented as one of another version."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """The cell of one sealed value: it opens here and nowhere else.

    ``row`` is :func:`row_bytes` of the id under which access entries name the row.
    """

    tenant: str
    table: str
    column: str
    row: bytes


def row_bytes(row: int | str) -> bytes:
    """The bytes of a row's id: eight for a number, UTF-8 for a record id or another text key."""
    return row.to_bytes(8, "big") if isinstance(row, int) else row.encode()


def prefixed(*parts: bytes) -> bytes:
    """Join parts so that no two different sequences give the same bytes: each is preceded by its length."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


@lru_cache(maxsize=4096)
def _column(tenant: str, table: str, column: str) -> bytes:
    return bytes([FORMAT]) + prefixed(tenant.encode(), table.encode(), column.encode())


def binding(place: Place) -> bytes:
    """Associated data of a sealed value: format version, tenant, table, column and row."""
    row = place.row
    return _column(place.tenant, place.table, place.column) + len(row).to_bytes(4, "big") + row
