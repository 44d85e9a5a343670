"""No file descriptors are left: connections are shed before the work inside feels it, and a full table ends nothing."""

from __future__ import annotations

import resource
import socket
import time
from pathlib import Path

import pytest

from gateway_hl7.simulator import clinic_day
from tests.crowd import ended
from tests.faults.deployment import SCALE, Deployment, Load
from tests.faults.resources import cpu_seconds, descriptors
from tests.waiting import PATIENCE, wait_until

FLOOD = max(100, int(800 * SCALE))
LEFT = 60
"""Descriptors that the process may still open when the flood begins."""
WATCHED = 2.0
"""Seconds for which its use of the processor is watched."""
TIMES = 10
BUSY = 0.2
"""Greatest share of a processor while nothing can be accepted."""
MESSAGES = clinic_day(81, patients=20, visits=60)[:40]


def limit(pid: int, left: int) -> None:
    """Let a process open only so many more."""
    most = descriptors(pid) + left
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def share(pid: int) -> float:
    """How much of a processor it uses while it rests: the least of some times it is watched.

    What it has in hand is finished first; what never rests is busy each time.
    """
    least = float("inf")
    for _ in range(TIMES):
        used, began = cpu_seconds(pid), time.monotonic()
        time.sleep(WATCHED)
        least = min(least, (cpu_seconds(pid) - used) / (time.monotonic() - began))
        if least < BUSY:
            break
    return least


def judge(deployment: Deployment, pid: int, acked: set[str], sent: int) -> None:
    """Everything is stored, delivered once, and the process is still the same."""
    ledger = deployment.drain(120)
    assert deployment.pid == pid, "the process ended"
    assert len(acked) == sent
    assert acked - deployment.stored() == set()
    assert (ledger["unaccounted"], ledger["pending"]) == (0, 0)
    assert deployment.received().second == []


@pytest.mark.timeout(600)
def test_without_descriptors_the_gateway_sheds_and_recovers(tmp_path: Path) -> None:
    """Near the limit peers are shed and the process rests and works on; after it an honest sender is served."""
    with Deployment(tmp_path) as deployment:
        deployment.start()
        first = Load(deployment.port, MESSAGES[:10])
        first.finish(120)
        pid = deployment.pid
        assert pid is not None
        limit(pid, LEFT)
        flood = [socket.create_connection(("127.0.0.1", deployment.port), timeout=PATIENCE) for _ in range(FLOOD)]
        wait_until(lambda: sum(map(ended, flood)) >= FLOOD - LEFT, "the flood is not shed")
        used = share(pid)
        judge(deployment, pid, first.acked, 10)  # while the flood stands
        for peer in flood:
            peer.close()
        load = Load(deployment.port, MESSAGES[10:])
        load.finish(120)
        print(f"{FLOOD} connections with {LEFT} descriptors left: {used:.0%} of a processor")
        judge(deployment, pid, load.acked, len(MESSAGES) - 10)
        assert used < BUSY


@pytest.mark.timeout(600)
def test_a_full_table_of_files_ends_nothing(tmp_path: Path) -> None:
    """While nothing at all can be opened the process lives and rests, and what is owed is delivered soon after."""
    with Deployment(tmp_path) as deployment:
        deployment.start()
        pid = deployment.pid
        assert pid is not None
        whole = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        load = Load(deployment.port, MESSAGES)
        wait_until(lambda: load.acked, "nothing is acknowledged")
        limit(pid, 0)
        used = share(pid)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, whole)
        load.finish(120)
        print(f"with a full table of files: {used:.0%} of a processor")
        judge(deployment, pid, load.acked, len(MESSAGES))
        assert used < BUSY
