"""One recorded load serves every test that judges a recording; the table of faults is printed at the end."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.power import Recorded, record
from tests.faults.table import as_json, printed
from tests.faults.test_power_cut import MESSAGES


@pytest.fixture(scope="session")
def _load(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(tmp_path_factory.mktemp("load"), MESSAGES)


@pytest.fixture
def recorded(_load: Recorded) -> Recorded:
    """A load under strace; its disk is a copy, so that each test follows it from the beginning."""
    return Recorded(_load.folder, copy.deepcopy(_load.disk), _load.events)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How `make faults` asks for the table."""
    group = parser.getgroup("faults")
    group.addoption("--fault-table", action="store_true", help="print the table of faults at the end")
    group.addoption("--fault-json", type=Path, default=None, help="write the table of faults to this file as JSON")


class Recorder:
    """What became of each test, wherever it stands; pytest tells a conftest of its own folder's tests alone."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the worst of setup, call and teardown, and what all of them took."""
        self.seconds[report.nodeid] += report.duration
        if report.failed or report.skipped or report.when == "call":
            before = self.outcomes.get(report.nodeid)
            self.outcomes[report.nodeid] = "failed" if "failed" in (before, report.outcome) else report.outcome


_recorder = Recorder()


def pytest_configure(config: pytest.Config) -> None:
    """Listen from the beginning."""
    config.pluginmanager.register(_recorder)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table, where it was asked for."""
    if config.getoption("fault_table", default=False):
        terminalreporter.section("faults")
        for line in printed(_recorder.outcomes, _recorder.seconds):
            terminalreporter.write_line(line)
    target = config.getoption("fault_json", default=None)
    if target is not None:
        target.write_text(as_json(_recorder.outcomes, _recorder.seconds), encoding="utf-8")
