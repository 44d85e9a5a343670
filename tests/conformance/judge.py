"""Certify the made-up clinic's adapter in a process of its own for each fault: ``judge.py FOLDER FAULTS``."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from gateway.testing.conformance_live import Pace
from gateway.testing.conformance_subject import find_subject
from gateway.testing.conformance_suite import certify

TOGETHER = 4
"""Certifications mostly wait: so many run at a time on two cores."""
HERE = Path(__file__).parent
INFO = "broken_clinic-1.dist-info"
PAGE = 'A page about [[sources]] with adapter = "broken". ' + "It says how to set it up, word by word. " * 20
PAGE += "\n## Set up\n\n1. Ask for it.\n2. Enter it.\n\n## Limits and gaps\n\n- It knows patients only.\n"


def install(folder: Path) -> None:
    """Make the adapter an installed distribution of the folder."""
    (folder / INFO).mkdir()
    (folder / INFO / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-clinic\nVersion: 1\n")
    (folder / INFO / "entry_points.txt").write_text("[gateway.plugins]\nbroken = clinic.plugin\n")


def judge(folder: Path, fault: str) -> None:
    """Write state and reason of each rule, the tier, and how long it took."""
    os.environ["BROKEN"] = fault
    folder.mkdir()
    install(folder)
    (folder / "clinic.md").write_text(PAGE.replace("2. ", "") if fault == "docs-page" else PAGE)
    os.chdir(folder)
    sys.path[:0] = [str(folder), str(HERE)]
    begin = time.monotonic()
    pace = Pace(clinic_size=24, lingering=0.8, patience=12.0, pressing=3.0)
    found = certify(find_subject("broken"), pace, killing=fault == "resumes-after-kill")
    verdict = {
        "tier": found.tier, "seconds": time.monotonic() - begin, "disagreements": found.disagreements,
        "states": {one.rule: one.state for one in found.results}, "why": {one.rule: one.why for one in found.results},
    }  # fmt: skip
    (folder / "verdict.json").write_text(json.dumps(verdict))


def main(folder: Path, faults: list[str]) -> None:
    """So many children at a time; each has read everything already that the parent has."""
    running = 0
    for fault in faults:
        if running == TOGETHER:
            os.wait()
            running -= 1
        if os.fork() == 0:
            judge(folder / fault, fault)
            os._exit(0)
        running += 1
    for _ in range(running):
        os.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
