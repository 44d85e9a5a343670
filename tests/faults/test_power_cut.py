"""The power fails at random moments of a load: whatever was acknowledged is there afterwards, and opens.

The real process's writes and syncs are recorded, and its files rebuilt as of random cuts: unsynced writes kept, dropped
or torn, unsynced names forgotten. That the judgement can fail is shown by a build that acknowledges before the commit.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults.deployment import SCALE, SECRET
from tests.faults.power import Recorded, cuts, judge, record

CUTS = max(10, int(500 * SCALE))
MESSAGES = 1500
"""Enough for the log of the store to be folded into its file more than once."""


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)


def _lost(recorded: Recorded, count: int, scratch: Path, seed: int) -> list[str]:
    found: list[str] = []
    for folder, acknowledged in cuts(recorded, count, scratch, seed):
        found += [f"{folder.name}: {finding}" for finding in judge(folder, acknowledged)]
        shutil.rmtree(folder)
    return found


@pytest.mark.timeout(1800)
def test_power_cut_loses_nothing_acknowledged(recorded: Recorded, tmp_path: Path) -> None:
    """After each of many cuts the store is whole, has all that was acknowledged, and every key opens."""
    synced = [event.path for event in recorded.events if event.kind == "sync" and event.ended]
    assert any(path.endswith("gateway.db") for path in synced), "the load is too short for a checkpoint of the log"
    assert _lost(recorded, CUTS, tmp_path, seed=5) == []


@pytest.mark.timeout(600)
def test_power_cut_finds_a_build_that_acknowledges_too_early(tmp_path: Path) -> None:
    """The same judgement on a build that acknowledges before the commit finds acknowledged messages missing."""
    folder, scratch = tmp_path / "run", tmp_path / "cuts"
    folder.mkdir()
    broken = record(folder, 120, program=str(Path(__file__).with_name("early_ack.py")))
    assert any("acknowledged but lost" in finding for finding in _lost(broken, 20, scratch, seed=6))
