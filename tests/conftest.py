"""What every test may ask for."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """What one test does to logging is not the next one's."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working copy."""
    return ROOT


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Public sample files kept beside the repository; a clone without them skips what reads them."""
    folder = (ROOT / "../shared/corpora").resolve()
    if not folder.is_dir():
        pytest.skip("the public sample files (../shared/corpora) are not on this machine")
    return folder


def pytest_collection_finish() -> None:
    """Thousands of collected tests live until the end: the collector need not look through them again and again."""
    gc.collect()
    gc.freeze()
