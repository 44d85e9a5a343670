"""Each rule of the scale has an adapter that fails exactly it, and a hostile one is survived."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

JUDGE = Path(__file__).with_name("judge.py")
RULES = (
    "golden-messages", "capabilities-declared", "clear-errors", "docs-page", "full-sync", "polls-incrementally",
    "same-bytes-same-patches", "pages-without-gaps", "cursor-moves-with-storage", "recovers-from-500",
    "stays-within-rate-budget", "quarantine-quality", "drift-found", "errors-hold-no-values", "reads-deletions",
    "speed-floor", "authoritative-sweep",
    "clock-skew", "erasure", "resumes-after-kill",
)  # fmt: skip
PLATINUM = ("erasure", "resumes-after-kill")
"""Rules above gold, which is what the made-up clinic's table promises."""
HOSTILE = ("raises", "hangs", "floods", "wrong-types", "holds-the-loop")
SCALE = float(os.environ.get("GATEWAY_FAULT_SCALE", "0.1"))
"""CI judges every fourth broken adapter and two hostile ones; 1.0 judges all."""
BROKEN = RULES if SCALE >= 1 else RULES[::4]
UNSWEPT = ("asks-nobody", "error-is-absence")
"""Further ways to take away by a full list what is there; CI judges the first."""
UNSWEPT_JUDGED = UNSWEPT if SCALE >= 1 else UNSWEPT[:1]
HOSTILES = HOSTILE if SCALE >= 1 else HOSTILE[::3]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Verdicts on the sound adapter, on broken ones and on hostile ones."""
    folder = tmp_path_factory.mktemp("scale")
    sweeps = [f"authoritative-sweep-{name}" for name in UNSWEPT_JUDGED]
    faults = ["none", *BROKEN, *sweeps, *(f"hostile-{name}" for name in HOSTILES)]
    command = [sys.executable, str(JUDGE), str(folder), *faults]
    done = subprocess.run(command, timeout=280, check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout == "", "what is heard is judged; standard output is for the certificate"
    return {fault: json.loads((folder / fault / "verdict.json").read_text()) for fault in faults}


def failures(verdict: dict[str, Any]) -> dict[str, str]:
    """Broken rules with the reasons."""
    return {rule: verdict["why"][rule] for rule, state in verdict["states"].items() if state == "failed"}


def test_a_sound_adapter_is_gold(verdicts) -> None:
    """Without a fault nothing fails, nothing disagrees with its table, and what was not run is said."""
    verdict = verdicts["none"]
    assert failures(verdict) == {}
    assert (verdict["tier"], verdict["disagreements"]) == ("gold", [])
    assert [rule for rule, state in verdict["states"].items() if state == "not-run"] == [
        "resumes-after-kill",
    ]  # fmt: skip


@pytest.mark.parametrize("rule", BROKEN)
def test_each_rule_is_failed_by_the_adapter_that_breaks_it_alone(verdicts, rule: str) -> None:
    """A rule that no adapter could fail would be worth nothing."""
    assert set(failures(verdicts[rule])) == {rule}
    assert (verdicts[rule]["tier"] == "gold") == (rule in PLATINUM)
    assert (verdicts[rule]["disagreements"] == []) == (rule in PLATINUM)


@pytest.mark.parametrize("name", UNSWEPT_JUDGED)
def test_no_way_to_lose_records_by_a_sweep_goes_unseen(verdicts, name: str) -> None:
    """An adapter that takes a row for gone without asking for it, or because of an error, is not certified."""
    assert set(failures(verdicts[f"authoritative-sweep-{name}"])) == {"authoritative-sweep"}


@pytest.mark.parametrize("name", HOSTILES)
def test_a_hostile_adapter_is_survived(verdicts, name: str) -> None:
    """Whatever an adapter does, the suite and its gateway come to an end in time and say what they saw."""
    verdict = verdicts[f"hostile-{name}"]
    assert verdict["seconds"] < 60
    if name != "holds-the-loop":
        assert failures(verdict) != {}
    assert verdict["tier"] == ("gold" if name == "holds-the-loop" else verdict["tier"])
