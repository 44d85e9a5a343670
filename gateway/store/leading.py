"""Who leads among processes that share one PostgreSQL, and which seat each has: advisory locks.

Each is held by a connection of its own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import StoreUnavailable

POLLING = 0x67617465  # "gate": one number of the database's 64-bit space of advisory locks
_SEATS = POLLING << 8
_MOST_SEATS = 256
_try = text("select pg_try_advisory_lock(:number)")
_alive = text("select 1")


class Leadership:
    """The lock ends with its session: a process that dies, or loses its connection, leads no more."""

    def __init__(self, like: Engine, number: int = POLLING) -> None:
        self._number = number
        # The session must outlive every transaction, so it is neither pooled nor within one.
        options: dict[str, Any] = {"options": "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5"}
        self._engine = create_engine(
            like.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True, connect_args=options
        )
        self._held: Connection | None = None

    def holds(self) -> bool:
        """Whether this process leads: it takes the lock when it is free, and makes sure of it when it has it."""
        try:
            if self._held is not None:
                self._held.execute(_alive)
                return True
            connection = self._engine.connect()
            if connection.execute(_try, {"number": self._number}).scalar_one():
                self._held = connection
                return True
            connection.close()
        except SQLAlchemyError:
            self.close()
        return False

    def close(self) -> None:
        """Let go of the lock."""
        held, self._held = self._held, None
        if held is not None:
            held.invalidate()
            held.close()


def take_seat(like: Engine) -> tuple[int, Leadership]:
    """The lowest number that no living process has, and the lock that keeps it.

    Raises:
        StoreUnavailable: every seat is taken, or the server does not answer.
    """
    for seat in range(_MOST_SEATS):
        lock = Leadership(like, _SEATS + seat)
        if lock.holds():
            return seat, lock
        lock.close()
    raise StoreUnavailable("No seat is free among the processes that share this database", fix="Run fewer workers.")
