"""No file descriptors are left: new connections are shed without a busy loop, and the gateway recovers alone."""

from __future__ import annotations

import resource
import socket
import time
from pathlib import Path

import pytest

from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import SCALE, Deployment, Load
from tests.faults.resources import cpu_seconds, descriptors
from tests.waiting import wait_until

FLOOD = max(100, int(800 * SCALE))
LEFT = 12
"""Descriptors that the process may still open when the flood begins."""
WATCHED = 2.0
"""Seconds for which its use of the processor is watched."""
BUSY = 0.2
"""Greatest share of a processor while nothing can be accepted."""


@pytest.mark.timeout(600)
def test_without_descriptors_the_gateway_sheds_and_recovers(tmp_path: Path) -> None:
    """At the limit of the system the process lives and rests; once the flood is over an honest sender is served."""
    messages = clinic_day(81, patients=20, visits=60)[:40]
    with Deployment(tmp_path) as deployment:
        deployment.start()
        Load(deployment.port, messages[:10]).finish(120)
        pid = deployment.pid
        assert pid is not None
        most = descriptors(pid) + LEFT
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
        flood = [socket.create_connection(("127.0.0.1", deployment.port), timeout=10) for _ in range(FLOOD)]
        wait_until(lambda: descriptors(pid) >= most - 2, "the limit is not reached")
        used = cpu_seconds(pid)
        time.sleep(WATCHED)
        share = (cpu_seconds(pid) - used) / WATCHED
        for peer in flood:
            peer.close()
        load = Load(deployment.port, messages[10:])
        load.finish(120)
        ledger = deployment.drain(120)
        print(f"{FLOOD} connections at {most} descriptors: {share:.0%} of a processor")
        assert deployment.pid == pid, "the process ended"
        assert share < BUSY
        assert len(load.acked) == len(messages) - 10
        assert load.acked - deployment.stored() == set()
        assert (ledger["unaccounted"], ledger["pending"]) == (0, 0)
        assert deployment.received().second == []
