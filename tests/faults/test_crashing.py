"""A message that ends the whole process: it is set aside after three ends, and everything else is served."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest

from gateway_hl7.simulator import clinic_day
from tests.faults import broken
from tests.faults.deployment import Deployment, Load
from tests.waiting import wait_until

PROGRAM = str(Path(__file__).with_name("crashing.py"))
ENDS = 3


@pytest.mark.timeout(600)
def test_a_message_that_ends_the_process_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started again after each end, the process dies three times, then serves all others; mended, it takes that too."""
    good = clinic_day(61, patients=12, visits=24, merges=0)[:40]
    booking = next(message for message in good if b"SIU^S12" in message)
    deadly = re.sub(rb"\A((?:[^|]*\|){9})[^|]*", rb"\1DEADLY", booking)
    messages = [*good[:20], deadly, *good[20:]]
    monkeypatch.setenv(broken.RUNS, PROGRAM)
    with Deployment(tmp_path, program=broken.program() or PROGRAM) as deployment:
        deployment.start()
        load = Load(deployment.port, messages)
        ends = 0

        def served() -> bool:
            nonlocal ends
            if deployment.pid is None:
                ends += 1
                deployment.kill()
                with suppress(AssertionError):  # it may die before it listens
                    deployment.start()
            return ends > ENDS or (load.done and ends == ENDS and len(deployment.json("quarantine", "list")) == 1)

        wait_until(served, "the message is not set aside")
        load.finish(120)
        ledger = deployment.drain(120)
        [held] = deployment.json("quarantine", "list")
        assert ends == ENDS
        deployment.stop()
        deployment.mend()
        deployment.start()
        assert deployment.cli("quarantine", "release", held["id"]).returncode == 0
        wait_until(lambda: deployment.json("quarantine", "list") == [], "the released message is not taken up")
        after = deployment.drain(120)
        stored = deployment.stored()
        assert deployment.received().second == []
    assert (held["reason"], "release" in held["fix"]) == ("crashed-thrice", True)
    assert (ledger["quarantined"], ledger["pending"], ledger["unaccounted"]) == (1, 0, 0)
    assert load.acked - stored == set()
    assert (after["quarantined"], after["pending"], after["unaccounted"]) == (0, 0, 0)
