"""A keystore with a vault over it, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.vault.opened import Opened


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """A keystore with a vault over it."""
    opened = Opened(tmp_path)
    yield opened
    opened.keystore.close()
