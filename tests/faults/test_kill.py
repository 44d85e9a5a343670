"""kill -9 at random moments of a load: nothing acknowledged is lost, and nothing happens twice at the receiver."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import SCALE, Deployment, send_all
from tests.waiting import until

MESSAGES = int(20_000 * SCALE)
KILLS = max(5, int(50 * SCALE))
READY_WITHIN = 5.0
"""Seconds of a processor that nobody else uses."""
EARLY = 2000
FINISHED = 600.0
"""Seconds after which a load that does not get on is given up."""
LATER = 0.02
"""The most seconds from the acknowledgement that a kill waits for to the kill."""


async def _load_with_kills(deployment: Deployment, messages: list[bytes], kills: int, seed: int) -> set[str]:
    """Send everything while the gateway is killed at random; acknowledged control ids.

    Kills fall where the load has come so far, not after so much time: each hits it on any machine.
    """
    rnd = random.Random(seed)
    acked: set[str] = set()
    load = asyncio.create_task(send_all(deployment.port, messages, acked))
    for far in sorted(rnd.sample(range(1, len(messages) * 4 // 5), kills)):
        await until(lambda far=far: len(acked) >= far or load.done(), seconds=FINISHED)
        await asyncio.sleep(rnd.uniform(0, LATER))
        deployment.kill()  # here and now: while it is ended no sender goes on
        assert not load.done(), "the load ended before the kill"
        await asyncio.to_thread(deployment.start)
    await load
    return acked


def _messages(count: int) -> list[bytes]:
    return clinic_day(7, patients=max(20, count // 12), visits=count)[:count]


@pytest.mark.timeout(1500)
def test_kill_loses_nothing_acknowledged_and_doubles_nothing(tmp_path: Path) -> None:
    """After every kill the gateway is back within seconds, has all it acknowledged, and each effect happened once."""
    with Deployment(tmp_path) as deployment:
        deployment.start()
        acked = asyncio.run(_load_with_kills(deployment, _messages(MESSAGES), KILLS, seed=1))
        ledger = deployment.drain(600)
        deployment.stop()
        effects = deployment.received()
        print(f"{len(acked)} acknowledged, {KILLS} kills, ready in {max(deployment.ready_seconds):.2f} s at most")
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
        acked = asyncio.run(_load_with_kills(deployment, _messages(EARLY), 4, seed=2))
        deployment.stop()
        assert acked - deployment.stored() != set()
