"""A pytest plugin: each test that kills a broken build is run on that build, and what became of it is written down."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.faults.broken import ENVIRONMENT, Build, builds

_outcomes: dict[str, str] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which builds, and where to write the outcomes."""
    parser.addoption("--broken", required=True, help="names of broken builds, with commas between them")
    parser.addoption("--broken-outcomes", required=True, type=Path, help="the file of outcomes by build, as JSON")


def _build_of(item: pytest.Item) -> Build:
    known = builds()
    chosen = [known[name] for name in str(item.config.getoption("broken")).split(",")]
    return next(one for one in chosen if item.nodeid == one.dies_in or item.nodeid.startswith(f"{one.dies_in}["))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Break the build before the test's fixtures are made, and mend it after they are gone."""
    build = _build_of(item)
    function, code = build.apply()
    os.environ[ENVIRONMENT] = build.name
    try:
        return (yield)
    finally:
        del os.environ[ENVIRONMENT]
        function.__code__ = code  # type: ignore[assignment]  # it is the code that the function had


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One failing parameter is enough; a test that was not run says nothing."""
    if report.outcome != "passed" or report.when == "call":
        known = _outcomes.get(report.nodeid)
        _outcomes[report.nodeid] = "failed" if "failed" in (known, report.outcome) else report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what became of each build's test."""
    found: dict[str, str] = {}
    for item in session.items:
        name, outcome = _build_of(item).name, _outcomes.get(item.nodeid, "not run")
        found[name] = "failed" if "failed" in (found.get(name), outcome) else outcome
    session.config.getoption("broken_outcomes").write_text(json.dumps(found), encoding="utf-8")
