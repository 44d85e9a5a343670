"""Load with faults, hour after hour: memory, descriptors, threads, connections and the store's log stay flat.

Hours are compressed: what leaks leaks by the message and by the connection, so rounds of both count, not the clock.
``GATEWAY_SOAK_HOURS`` runs it for as long as that.
"""

from __future__ import annotations

import os
import socket
import statistics
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, count
from pathlib import Path

import pytest

from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import SCALE, Deployment, Load
from tests.faults.resources import connections, descriptors, memory, threads
from tests.waiting import PATIENCE

SECONDS = float(os.environ.get("GATEWAY_SOAK_HOURS", "0")) * 3600 or max(8.0, 120 * SCALE)
LEAST_ROUNDS = 8
MESSAGES = 40
ANNOYERS = 12
"""Connections of each round that break off in the middle of a frame."""
WARM = 0.4
"""Share of the rounds in which caches and pools may still fill."""
RST = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Reading:
    """What the process uses at the end of a round."""

    descriptors: int
    threads: int
    connections: int
    memory: int
    log: int
    """Bytes of the store's write-ahead log."""


ALLOWED = {"descriptors": 4.0, "threads": 2.0, "connections": 3.0, "memory": 24 * 2.0**20, "log": 32 * 2.0**20}
"""How much each may seem to grow over the judged rounds: what it wavers by, and the log until it is folded first."""


def growth(values: Sequence[float]) -> float:
    """By how much values grow from first to last, by the median of all slopes: single readings do not move it."""
    slopes = [(b - a) / (at_b - at_a) for (at_a, a), (at_b, b) in combinations(enumerate(values), 2)]
    return statistics.median(slopes) * (len(values) - 1)


def leaks(readings: Sequence[Reading]) -> dict[str, float]:
    """What grows by more than it may once the process is warm, and by how much."""
    judged = readings[int(len(readings) * WARM) :]
    found = {name: growth([getattr(one, name) for one in judged]) for name in ALLOWED}
    return {name: grown for name, grown in found.items() if grown > ALLOWED[name]}


def _read(pid: int, log: Path) -> Reading:
    size = log.stat().st_size if log.exists() else 0
    return Reading(descriptors(pid), threads(pid), connections(pid), memory(pid, "VmRSS"), size)


def _annoy(port: int) -> None:
    """Peers that break off inside a frame, half of them by a reset."""
    for number in range(ANNOYERS):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as peer:
            peer.sendall(b"\x0bMSH|^~\\&|half a frame")
            if number % 2:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)


@pytest.mark.timeout(SECONDS + 180)
def test_nothing_grows_under_a_long_load(tmp_path: Path) -> None:
    """Round after round of messages, repeats and broken connections leaves the process as large as it was."""
    readings: list[Reading] = []
    with Deployment(tmp_path) as deployment:
        deployment.start()
        pid = deployment.pid
        assert pid is not None
        end = time.monotonic() + SECONDS
        sent: set[str] = set()
        for seed in count(1):
            began = time.monotonic()
            load = Load(deployment.port, clinic_day(seed, patients=10, visits=30)[:MESSAGES])
            _annoy(deployment.port)
            load.finish(120)
            sent |= load.acked
            time.sleep(time.monotonic() - began)  # half of the capacity
            readings.append(_read(pid, tmp_path / "data" / "gateway.db-wal"))
            if time.monotonic() > end and seed >= LEAST_ROUNDS:
                break
        ledger = deployment.drain(120)
        stored = deployment.stored()
        assert deployment.pid == pid, "the process ended"
    first, last = readings[0], readings[-1]
    print(f"{len(readings)} rounds, {len(sent)} messages: {first} at first, {last} at last")
    assert leaks(readings) == {}
    assert sent - stored == set()
    assert (ledger["unaccounted"], ledger["pending"]) == (0, 0)


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_a_leak_is_seen(name: str) -> None:
    """The same judgement finds each of the readings that grows a little in every round, over noise, and only that."""
    rounds = 40
    steady = {"descriptors": 30, "threads": 12, "connections": 9, "memory": 200 * 2**20, "log": 4 * 2**20}
    step = 4 * ALLOWED[name] / rounds
    noise = [(7 * number) % 5 - 2 for number in range(rounds)]

    def reading(number: int, grown: float) -> Reading:
        return Reading(**{one: int(value + noise[number] * ALLOWED[one] / 20) for one, value in steady.items()}
                       | {name: int(steady[name] + grown * number)})  # fmt: skip

    assert leaks([reading(number, 0) for number in range(rounds)]) == {}
    assert set(leaks([reading(number, step) for number in range(rounds)])) == {name}
