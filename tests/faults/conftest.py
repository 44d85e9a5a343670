"""One recorded load serves every test that judges a recording."""

from __future__ import annotations

import copy

import pytest

from tests.faults.power import Recorded, record
from tests.faults.test_power_cut import MESSAGES


@pytest.fixture(scope="session")
def _load(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(tmp_path_factory.mktemp("load"), MESSAGES)


@pytest.fixture
def recorded(_load: Recorded) -> Recorded:
    """A load under strace; its disk is a copy, so that each test follows it from the beginning."""
    return Recorded(_load.folder, copy.deepcopy(_load.disk), _load.events)
