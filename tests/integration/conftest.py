"""One gateway of real parts per test, on both stores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.store.opening import Store
from tests.integration.parts import Parts, Place
from tests.postgres import database

SCALE = float(os.environ.get("GATEWAY_FAULT_SCALE", "1"))
"""How much longer the heavier tests shall run than in a quick check."""


@pytest.fixture(scope="session")
def scale() -> Callable[[int], int]:
    """A number of rounds, scaled by ``GATEWAY_FAULT_SCALE``."""
    return lambda rounds: max(1, int(rounds * SCALE))


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
