"""kill -9 at random moments of a load: nothing acknowledged is lost, and nothing happens twice at the receiver."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import SCALE, Deployment, send_all

MESSAGES = int(20_000 * SCALE)
KILLS = max(5, int(50 * SCALE))
READY_WITHIN = 5.0
"""Seconds of a processor that nobody else uses."""
EARLY = max(4000, int(12_000 * SCALE))
"""So many that the load is still going when the first kills fall."""


async def _load_with_kills(
    deployment: Deployment, messages: list[bytes], kills: int, seed: int, longest: float = 1.2
) -> tuple[set[str], int]:
    """Send everything while the gateway is killed at random; acknowledged control ids, and how many kills hit.

    ``longest`` is the most seconds from one start to the next kill.
    """
    rnd = random.Random(seed)
    acked: set[str] = set()
    load = asyncio.create_task(send_all(deployment.port, messages, acked))
    hits = 0
    while hits < kills and not load.done():
        await asyncio.sleep(rnd.uniform(0.05, longest))
        await asyncio.to_thread(deployment.kill)
        hits += not load.done()
        await asyncio.to_thread(deployment.start)
    await load
    return acked, hits


def _messages(count: int) -> list[bytes]:
    return clinic_day(7, patients=max(20, count // 12), visits=count)[:count]


@pytest.mark.timeout(1500)
def test_kill_loses_nothing_acknowledged_and_doubles_nothing(tmp_path: Path) -> None:
    """After every kill the gateway is back within seconds, has all it acknowledged, and each effect happened once."""
    with Deployment(tmp_path) as deployment:
        deployment.start()
        acked, hits = asyncio.run(_load_with_kills(deployment, _messages(MESSAGES), KILLS, seed=1))
        ledger = deployment.drain(600)
        deployment.stop()
        effects = deployment.received()
        print(f"{len(acked)} acknowledged, {hits} kills, ready in {max(deployment.ready_seconds):.2f} s at most")
        assert hits >= KILLS // 2, "the load ended before enough kills hit it"
        assert acked - deployment.stored() == set()
        assert len(acked) == MESSAGES
        assert max(deployment.ready_work) < READY_WITHIN
        assert (ledger["unaccounted"], ledger["pending"]) == (0, 0)
        assert effects.second == []
        assert effects.changed_bodies == []
        assert len(effects.distinct) == ledger["delivered"]
        assert deployment.json("verify", "audit")["audit_valid"]


@pytest.mark.timeout(600)
def test_kill_finds_a_build_that_acknowledges_too_early(tmp_path: Path) -> None:
    """The same judgement on a build that acknowledges before the commit finds acknowledged messages missing."""
    program = str(Path(__file__).with_name("early_ack.py"))
    with Deployment(tmp_path, program=program) as deployment:
        deployment.start()
        acked, hits = asyncio.run(_load_with_kills(deployment, _messages(EARLY), 4, seed=2, longest=0.07))
        deployment.stop()
        assert hits > 0
        assert acked - deployment.stored() != set()
