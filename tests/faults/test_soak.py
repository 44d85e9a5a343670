"""Load with faults, hour after hour: memory, descriptors, threads, connections and the store's log stay flat.

Hours are compressed: what leaks leaks by the message and by the connection, so rounds of both count, not the clock.
Each round tells something newer of the same patients, so each is delivered; in every other one the receiver stands
still meanwhile. ``GATEWAY_SOAK_HOURS`` runs it for as long as that; to judge it takes no longer for more rounds.
"""

from __future__ import annotations

import os
import socket
import statistics
import struct
import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations, count
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.bootstrap import open_gateway
from gateway.settings import load as load_settings
from gateway.store import schema
from gateway.store.engines import CACHE_KIB
from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import SCALE, SECRET, Deployment, Load
from tests.faults.resources import connections, descriptors, memory, threads
from tests.waiting import PATIENCE

SECONDS = float(os.environ.get("GATEWAY_SOAK_HOURS", "0")) * 3600 or max(8.0, 120 * SCALE)
LEAST_ROUNDS = 8
MESSAGES = 40
LEAST_DELIVERED = MESSAGES // 4
"""Deliveries of each round on average: a load that says nothing new would not be one."""
ANNOYERS = 12
"""Connections of each round that break off in the middle of a frame."""
WARM = 0.4
"""Share of the rounds in which caches and pools may still fill."""
PAGES = CACHE_KIB * 1024 * 3 // 2
"""Bytes of the store's pages that a process keeps at most: the writer's, and half as many of four readers."""
HOLDERS = 2
"""How often one page is kept on average: by the writer, and by some of the readers."""
POINTS = 200
"""Of many rounds so many medians of neighbours are judged: the slopes of all pairs of rounds would be too many."""
BEGAN = datetime(2026, 1, 5, 8, tzinfo=UTC)
"""The sender's clock in the first round."""
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
    store: int
    """Bytes of the store's file: as long as they are few, the pages kept in memory grow with them."""


ALLOWED = {"descriptors": 4.0, "threads": 2.0, "connections": 3.0, "memory": 24 * 2.0**20, "log": 32 * 2.0**20}
"""How much each may seem to grow over the judged rounds: what it wavers by, and the log until it is folded first."""


def growth(values: Sequence[float]) -> float:
    """By how much values grow from first to last, by the median of all slopes: single readings do not move it."""
    slopes = [(b - a) / (at_b - at_a) for (at_a, a), (at_b, b) in combinations(enumerate(values), 2)]
    return statistics.median(slopes) * (len(values) - 1)


def leaks(readings: Sequence[Reading]) -> dict[str, float]:
    """What grows by more than it may once the process is warm and its pages fill their room, and by how much."""
    full = next((at for at, one in enumerate(readings) if one.store > PAGES), None)
    judged = thinned(readings[max(int(len(readings) * WARM), full or 0) :])
    found = {name: growth([getattr(one, name) for one in judged]) for name in ALLOWED}
    filling = min(PAGES, HOLDERS * (judged[-1].store - judged[0].store)) if full is None else 0
    return {name: by for name, by in found.items() if by > ALLOWED[name] + (filling if name == "memory" else 0)}


def thinned(readings: Sequence[Reading]) -> list[Reading]:
    """At most so many readings in the same order, each the median of as many neighbours."""
    size = -(-len(readings) // POINTS)
    groups = [readings[at : at + size] for at in range(0, len(readings) - len(readings) % size, size)]
    return [
        Reading(*(int(statistics.median(values)) for values in zip(*map(astuple, group), strict=True)))
        for group in groups
    ]


def newer(seed: int) -> list[bytes]:
    """One round's messages, each sent a second after the one before, all of them later than those of earlier rounds."""
    told = []
    for at, body in enumerate(clinic_day(seed, patients=10, visits=30)[:MESSAGES]):
        fields = body.split(b"|", 7)
        fields[6] = (BEGAN + timedelta(seconds=seed * MESSAGES + at)).strftime("%Y%m%d%H%M%S+0000").encode()
        told.append(b"|".join(fields))
    return told


def _read(pid: int, store: Path) -> Reading:
    log = store.with_name(f"{store.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    used = descriptors(pid), threads(pid), connections(pid), memory(pid, "VmRSS")
    return Reading(*used, log=size, store=store.stat().st_size)


def _stored(deployment: Deployment) -> int:
    """How many messages are stored, each counted once however often it came."""
    with closing(open_gateway(load_settings(deployment.config), deployment.folder)) as gateway:
        names = select(func.count(schema.messages.c.control_id.distinct()))
        return gateway.store.read_sync(lambda connection: connection.execute(names).scalar_one())


def _annoy(port: int) -> None:
    """Peers that break off inside a frame, half of them by a reset."""
    for number in range(ANNOYERS):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as peer:
            peer.sendall(b"\x0bMSH|^~\\&|half a frame")
            if number % 2:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)


@pytest.mark.timeout(SECONDS * 1.5 + 900)
def test_nothing_grows_under_a_long_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Round after round of messages, deliveries, broken connections and a receiver that hangs leaves it as it was."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    readings: list[Reading] = []
    with Deployment(tmp_path) as deployment:
        deployment.start()
        pid = deployment.pid
        assert pid is not None
        end = time.monotonic() + SECONDS
        sent = 0
        for seed in count(1):
            began = time.monotonic()
            with deployment.receiver_hanging() if seed % 2 else nullcontext():
                load = Load(deployment.port, newer(seed))
                _annoy(deployment.port)
                load.finish(120)
            sent += len(load.acked)
            time.sleep(time.monotonic() - began)  # half of the capacity
            readings.append(_read(pid, tmp_path / "data" / "gateway.db"))
            if time.monotonic() > end and seed >= LEAST_ROUNDS:
                break
        ledger = deployment.drain(600)
        effects, stored = deployment.received(), _stored(deployment)
        assert deployment.pid == pid, "the process ended"
    rounds, delivered = len(readings), ledger["delivered"]
    print(f"{rounds} rounds, {sent} messages, {delivered} deliveries: {readings[0]} at first, {readings[-1]} at last")
    assert leaks(readings) == {}
    assert stored == sent == rounds * MESSAGES
    assert (ledger["unaccounted"], ledger["pending"]) == (0, 0)
    assert delivered == len(effects.distinct) > rounds * LEAST_DELIVERED
    assert effects.second == []


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_a_leak_is_seen(name: str) -> None:
    """The same judgement finds each of the readings that grows a little in every round, over noise, and only that."""
    rounds = 40
    steady = {"descriptors": 30, "threads": 12, "connections": 9, "memory": 200 * 2**20, "log": 4 * 2**20}
    step = 4 * ALLOWED[name] / rounds

    def reading(number: int, grown: float) -> Reading:
        noise = (7 * number) % 5 - 2
        return Reading(store=PAGES * 2, **{one: int(value + noise * ALLOWED[one] / 20) for one, value in steady.items()}
                       | {name: int(steady[name] + grown * number)})  # fmt: skip

    assert leaks([reading(number, 0) for number in range(rounds)]) == {}
    assert set(leaks([reading(number, step) for number in range(rounds)])) == {name}
    many = rounds * POINTS
    assert leaks([reading(number, 0) for number in range(many)]) == {}
    assert set(leaks([reading(number, step / POINTS) for number in range(many)])) == {name}
