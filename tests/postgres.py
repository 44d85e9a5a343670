"""Databases on the real PostgreSQL server that the tests share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text

_numbers = itertools.count(1)


def administer(server: str, *statements: str) -> None:
    """Run statements that no transaction may hold."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@contextmanager
def database(server: str) -> Iterator[str]:
    """A database of its own, gone afterwards; its URL."""
    name = f"gateway_{next(_numbers)}"
    administer(server, f"create database {name} template migrated strategy file_copy")
    yield server.replace("/postgres?", f"/{name}?", 1)
    administer(server, f"drop database {name} with (force)")
