"""MACs that bind the clear columns of a row to each other, where no page of the database has one.

Theory of operation. The embedded store's file carries a MAC on every page. PostgreSQL's does not, and whoever may write
to the server could change whose a delivery was or when a message came, where no count changes. So each row of an
insert-only table gets a MAC when it is written there: over the table's name and every column that has a value, by name,
under a key that is derived from the keystore and never reaches the server. A column without a value is left out, so a
column that is added later changes no MAC made before. Columns that move afterwards (a data key that is wrapped anew,
bytes whose time is over) are not bound here: what they hold is bound by its own seal.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Table

from gateway.store.binary import Binary

MAC = "mac"
SIZE = 16
OPTION = "gateway_binding"
"""The execution option by which an engine's connections know their :class:`Binding`."""
MOVES: dict[str, Any] = {"moves": True}
"""``info`` of a column that changes after its row was written."""


def _plain(value: Any) -> Any:
    """A value of a subclass as the driver stores it: a driver's text is text, whatever class it had."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    raise TypeError(f"no bound column holds a {type(value).__name__}")


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode


class Binding:
    """Makes the MACs of one store's rows (HMAC-SHA-256, its first 16 bytes).

    Args:
        key: 32 bytes that belong to the store alone.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"emr-gateway/1/rows", "sha256")

    def mac(self, table: Table, values: Iterable[Any]) -> bytes:
        """The MAC of a row of which these are the values of :func:`bound_names`, in their order."""
        told: list[Any] = [str(table.name)]
        for name, value in zip(bound_names(table), values, strict=True):
            if value is not None:
                told += (name, value)
        return hmac.digest(self._key, _encode(told), "sha256")[:SIZE]


def mac_column() -> Column[bytes]:
    """The column that makes a table one of those whose rows are bound; it stands last."""
    return Column(MAC, Binary(SIZE), doc="binds the row's lasting columns, on PostgreSQL; none in an embedded store")


@lru_cache(maxsize=64)
def bound_names(table: Table) -> Sequence[str]:
    """Columns that a row's MAC is over, in the order of their names."""
    return sorted(str(one.name) for one in table.c if one.name != MAC and "moves" not in one.info)


def binding_of(connection: Connection) -> Binding | None:
    """What makes and checks MACs on this connection; None in an embedded store, where pages have theirs.

    Raises:
        ValueError: the engine was opened without the store's key, which only a migration may do.
    """
    if connection.dialect.name != "postgresql":
        return None
    found = connection.get_execution_options().get(OPTION)
    if not isinstance(found, Binding):
        raise ValueError("an engine that was opened without the store's key can neither bind rows nor check them")  # noqa: TRY004 - the engine is wrong, not a value's type
    return found
