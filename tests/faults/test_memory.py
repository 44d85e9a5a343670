"""Memory runs out under one message: it waits in quarantine, and the process goes on for everybody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import broken

PROGRAM = str(Path(__file__).with_name("short_of_memory.py"))


@pytest.mark.timeout(600)
def test_a_message_that_needs_too_much_memory_waits_alone(tmp_path: Path, repository: Path) -> None:
    """Under a real limit of the address space one message is refused its memory, and all others are done."""
    command = [sys.executable, broken.PROGRAM if broken.program() else PROGRAM, str(tmp_path)]
    # One arena: each thread would map one of its own, more or fewer by chance, and they count against the limit.
    environment = os.environ | {"PYTHONPATH": str(repository), broken.RUNS: PROGRAM, "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told == {
        "normalized": 40, "quarantined": {"adapter-error": 1}, "problems": 0, "effects": 40, "breaches": [],
    }  # fmt: skip
