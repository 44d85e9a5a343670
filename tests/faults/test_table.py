"""The table that `make faults` prints: it hears of every test of the run, wherever the test stands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.rules.tree import ROOT


def test_tests_of_other_folders_count(tmp_path: Path) -> None:
    """A row whose tests all stand elsewhere is passed once they are run, and one whose tests are not is not run."""
    told = tmp_path / "faults.json"
    words = ["tests/faults/test_sigterm.py", "tests/security/test_ssrf.py", "-k", "test_ssrf", "-q"]
    run = [sys.executable, "-m", "pytest", *words, "-p", "no:cacheprovider", "--fault-table", "--fault-json", str(told)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout
    results = {row["fault"]: row["result"] for row in json.loads(told.read_text("utf-8"))}
    assert (results["F28"], results["F4"]) == ("passed", "not run")
    assert "F28  passed " in done.stdout
