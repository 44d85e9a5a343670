"""The data's disk fills up under load: nothing is acknowledged that is not stored, and space alone mends it.

That the judgement can fail is shown by a build that acknowledges before the commit. With a writer that calls itself
healthy as soon as a connection opens, the log tells of a store that comes and goes twice a second, and that fails too.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import Deployment, Load
from tests.waiting import wait_until

DISK = "40m"
LEFT = 400_000
"""Bytes left free when the disk is filled: some messages still fit, and then none does."""

FEW = 5
"""Times the store may be told to be down: once, and again after a small commit that still fitted."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A deployment's folder whose data lie on a small disk of their own."""
    data = tmp_path / "data"
    data.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(data)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here (this needs root)")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(data)], check=True)


def _fill(folder: Path) -> Path:
    ballast = folder / "data" / "ballast"
    free = os.statvfs(ballast.parent)
    ballast.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - LEFT)))
    return ballast


def _load_over_a_full_disk(deployment: Deployment, messages: list[bytes], errors: str) -> set[str]:
    """Send while the disk is full, make room, and let everything finish; what was acknowledged."""
    ballast = _fill(deployment.folder)
    load = Load(deployment.port, messages)
    wait_until(lambda: errors in deployment.log(), "the full disk was not noticed")
    wait_until(lambda: not deployment.healthy(), "health does not tell")
    stuck = len(load.acked)
    wait_until(
        lambda: len(load.acked) == len(messages) or not deployment.healthy(), "health went back while it is full"
    )
    assert deployment.pid is not None
    print(f"{stuck} acknowledged before the disk was full")
    ballast.unlink()
    load.finish(120)
    return load.acked


@pytest.mark.timeout(600)
def test_a_full_disk_acknowledges_nothing_and_recovers_alone(folder: Path) -> None:
    """While the disk is full there is no acknowledgement; with room again everything gets through without a restart."""
    messages = clinic_day(21, patients=40, visits=600)[:600]
    with Deployment(folder) as deployment:
        deployment.start()
        serving = deployment.pid
        warm = Load(deployment.port, messages[:40])
        warm.finish(120)
        acked = warm.acked | _load_over_a_full_disk(deployment, messages[40:], "store-unavailable")
        ledger = deployment.drain(120)
        wait_until(deployment.healthy, "health does not come back")
        assert deployment.pid == serving
        assert len(acked) == len(messages)
        assert acked - deployment.stored() == set()
        assert (ledger["unaccounted"], ledger["pending"]) == (0, 0)
        assert deployment.received().second == []
        told = [json.loads(line) for line in deployment.log().splitlines() if '"event": "store-' in line]
        down = [line["reason"] for line in told if line["event"] == "store-unavailable"]
        assert set(down) == {"disk-full"}
        assert len(down) <= FEW, "the store is called back while the disk is still full"


@pytest.mark.timeout(600)
def test_disk_full_finds_a_build_that_acknowledges_too_early(folder: Path) -> None:
    """The same judgement on a build that acknowledges before the commit finds acknowledged messages missing."""
    messages = clinic_day(22, patients=40, visits=600)[:600]
    with Deployment(folder, program=str(Path(__file__).with_name("early_ack.py"))) as deployment:
        deployment.start()
        acked = _load_over_a_full_disk(deployment, messages, "store-unavailable")
        deployment.drain(120)
        assert acked - deployment.stored() != set()
