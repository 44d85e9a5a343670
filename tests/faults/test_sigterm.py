"""SIGTERM under load, and a second gateway on the same folder.

These can fail: with `lock = take_lock(...)` taken out of `bootstrap.serve` the second gateway starts, and with the
build that acknowledges before its commit the same comparison of acknowledged and stored finds losses (test_kill).
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import SCALE, Deployment, Load
from tests.waiting import wait_until

ENDS_WITHIN = 10.0
TIMES = 100 if SCALE >= 1 else 2
MESSAGES = 1500
"""Of each load: so many that the signal comes in its midst."""


@pytest.mark.timeout(3600 if SCALE >= 1 else 600)
def test_sigterm_ends_in_order_and_loses_nothing(tmp_path: Path) -> None:
    """SIGTERM in the midst of each of several loads ends the process within seconds; all gets through in the end."""
    acked: set[str] = set()
    slowest = 0.0
    with Deployment(tmp_path) as deployment:
        deployment.start()
        for turn in range(TIMES):
            load = Load(deployment.port, clinic_day(31 + turn, patients=40, visits=MESSAGES)[:MESSAGES])
            wait_until(lambda load=load: len(load.acked) > 50, "the load does not begin")
            began = time.monotonic()
            deployment.stop()
            slowest = max(slowest, time.monotonic() - began)
            rested = set(load.acked)
            assert not load.done, "the load ended before the signal"
            assert rested - deployment.stored() == set()
            deployment.start()
            load.finish(120)
            acked |= load.acked
        ledger = deployment.drain(240)
        print(f"ended {TIMES} times, in {slowest:.2f} s at most, with {len(acked)} acknowledged")
        assert slowest < ENDS_WITHIN
        assert acked - deployment.stored() == set()
        assert (ledger["unaccounted"], ledger["pending"]) == (0, 0)
        assert deployment.received().second == []


def test_one_folder_is_served_once(tmp_path: Path) -> None:
    """A second gateway on the same folder refuses to start, says why, and the first goes on."""
    with Deployment(tmp_path) as deployment:
        deployment.start()
        second = deployment.cli("serve")
        assert second.returncode != 0
        assert b"Another gateway serves this data folder" in second.stdout + second.stderr
        wait_until(deployment.healthy, "the first gateway is not healthy")
