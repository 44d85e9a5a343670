"""What every test may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
