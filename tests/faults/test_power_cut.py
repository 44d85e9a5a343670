"""The power fails at random moments of a load: whatever was acknowledged is there afterwards, and opens.

The real process's writes and syncs are recorded, and its files rebuilt as of random cuts: unsynced writes kept, dropped
or torn, unsynced names forgotten. That the judgement can fail is shown by a build that acknowledges before the commit.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.deployment import SCALE, SECRET
from tests.faults.power import Recorded, cuts, judge, kills, record

CUTS = max(10, int(500 * SCALE))
SYNCS = 1.0 if SCALE >= 1 else 0.15 * SCALE
"""The share of all syncs at which the process is killed; at full scale at every one."""
MESSAGES = 1500
"""Enough for the log of the store to be folded into its file more than once."""


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)


def _lost(ends: Iterable[tuple[Path, set[str]]]) -> list[str]:
    found: list[str] = []
    for folder, acknowledged in ends:
        found += [f"{folder.name}: {finding}" for finding in judge(folder, acknowledged)]
        shutil.rmtree(folder)
    return found


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A load of a build that acknowledges before the commit."""
    return record(tmp_path_factory.mktemp("early"), 120, program=str(Path(__file__).with_name("early_ack.py")))


@pytest.mark.timeout(1800)
def test_power_cut_loses_nothing_acknowledged(recorded: Recorded, tmp_path: Path) -> None:
    """After each of many cuts the store is whole, has all that was acknowledged, and every key opens."""
    synced = [event.path for event in recorded.events if event.kind == "sync" and event.ended]
    assert any(path.endswith("gateway.db") for path in synced), "the load is too short for a checkpoint of the log"
    assert _lost(cuts(recorded, CUTS, tmp_path, seed=5)) == []


@pytest.mark.timeout(1800)
def test_a_kill_at_any_sync_loses_nothing_acknowledged(recorded: Recorded, tmp_path: Path) -> None:
    """SIGKILL where a sync was reached and did not return leaves all that was acknowledged, at every one."""
    assert _lost(kills(recorded, SYNCS, tmp_path)) == []


@pytest.mark.timeout(600)
def test_power_cut_finds_a_build_that_acknowledges_too_early(early: Recorded, tmp_path: Path) -> None:
    """The same judgement on a build that acknowledges before the commit finds acknowledged messages missing."""
    found = _lost(cuts(replace(early, disk=copy.deepcopy(early.disk)), 20, tmp_path, seed=6))
    assert any("acknowledged but lost" in finding for finding in found)


@pytest.mark.timeout(600)
def test_kills_at_syncs_find_a_build_that_acknowledges_too_early(early: Recorded, tmp_path: Path) -> None:
    """The same judgement of kills on that build finds acknowledged messages missing."""
    found = _lost(kills(replace(early, disk=copy.deepcopy(early.disk)), 1.0, tmp_path))
    assert any("acknowledged but lost" in finding for finding in found)
