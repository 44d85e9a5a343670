"""Every broken build is noticed by the test that is there for it: a judgement that sees nothing would prove nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from tests.faults.broken import Build, builds
from tests.faults.deployment import SCALE

BUILDS = builds()
TURNS = 4
"""Below full scale a day tries one in so many of the builds, the whole one each day; the next day the next ones."""
TODAY = int(os.environ.get("GATEWAY_FAULT_TURN", date.today().toordinal())) % TURNS  # noqa: DTZ011 - any day will do
LONGEST = 900.0
"""Seconds for all of them."""


def run(chosen: Sequence[Build], folder: Path, root: Path) -> dict[str, str]:
    """Run the tests that kill these builds, each on its own, in one other process; what became of them by build."""
    outcomes = folder / "outcomes.json"
    found: dict[str, str] = {}
    left = list(chosen)
    while left:
        tests = {one.dies_in: one for one in reversed(left)}  # a test can be run on one build at a time
        names = ",".join(one.name for one in tests.values())
        command = [
            sys.executable, "-m", "pytest", "-q", "-p", "tests.faults.breaking", "-p", "no:cacheprovider",
            "--timeout", "120", "--broken", names, "--broken-outcomes", str(outcomes), *tests,
        ]  # fmt: skip
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=LONGEST)
        assert outcomes.exists(), done.stdout[-3000:] + done.stderr[-3000:]
        found |= json.loads(outcomes.read_text("utf-8"))
        left = [one for one in left if one.name not in names.split(",")]
    return found


def is_on(build: Build, at: int, asked: int) -> bool:
    """Whether a build is tried in this session: at full scale, when it alone is asked for, or when it has its turn."""
    if SCALE >= 1 or asked == 1:
        return True
    return not build.slow and (at % TURNS == TODAY or build.old == build.new)


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, repository: Path
) -> dict[str, str]:
    """Of every build that is asked for in this session, all in one go."""
    asked = {item.callspec.params["name"] for item in request.session.items if hasattr(item, "callspec")
             and "name" in item.callspec.params}  # fmt: skip
    chosen = [
        build for at, (name, build) in enumerate(BUILDS.items()) if name in asked and is_on(build, at, len(asked))
    ]
    return run(chosen, tmp_path_factory.mktemp("broken"), repository)


@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("name", sorted(BUILDS))
def test_a_broken_build_is_noticed(name: str, outcomes: dict[str, str]) -> None:
    """The test that is there for it fails on the build whose one line is said otherwise; on a whole one it does not."""
    if name not in outcomes:
        pytest.skip("it has its turn on another day, or at full scale (make faults)")
    whole = BUILDS[name].old == BUILDS[name].new
    assert outcomes[name] == ("passed" if whole else "failed")
