"""SIGTERM under load, and a second gateway on the same folder.

These can fail: with `lock = take_lock(...)` taken out of `bootstrap.serve` the second gateway starts, and with the
build that acknowledges before its commit the same comparison of acknowledged and stored finds losses (test_kill).
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import Deployment, Load
from tests.waiting import wait_until

ENDS_WITHIN = 10.0


@pytest.mark.timeout(600)
def test_sigterm_ends_in_order_and_loses_nothing(tmp_path: Path) -> None:
    """SIGTERM in the middle of a load ends the process within seconds; everything gets through after the next start."""
    messages = clinic_day(31, patients=80, visits=2000)[:2000]
    with Deployment(tmp_path) as deployment:
        deployment.start()
        load = Load(deployment.port, messages)
        wait_until(lambda: len(load.acked) > 150, "the load does not begin")
        began = time.monotonic()
        deployment.stop()
        took = time.monotonic() - began
        acked = set(load.acked)
        hit = not load.done
        assert acked - deployment.stored() == set()
        deployment.start()
        load.finish(120)
        ledger = deployment.drain(120)
        print(f"ended in {took:.2f} s with {len(acked)} acknowledged")
        assert hit, "the load ended before the signal"
        assert took < ENDS_WITHIN
        assert load.acked - deployment.stored() == set()
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
