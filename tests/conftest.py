"""What every test may ask for."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

# A change is judged by the same examples each time and however slow the machine is; new ones are searched for at full
# scale, where what is found is a find and no bad luck.
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("search" if float(os.environ.get("GATEWAY_FAULT_SCALE", "0")) >= 1 else "same")


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
