"""Crowds at the MLLP port: very many idle peers, and ten times the usual senders.

Whether honest peers are served as before is measured by processor time, which others on the machine do not lengthen.
Server and peers run on one thread here, so what an exchange takes of it is what the peer would wait on a quiet machine.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.transport.mllp import MllpServer
from gateway.transport.mllp_limits import Limits
from gateway.wire.mllp import encode
from gateway_hl7.simulator import clinic_day, send_day
from tests.faults.deployment import SCALE, Deployment, Load
from tests.faults.resources import memory
from tests.waiting import PATIENCE

IDLE = max(500, int(9_000 * SCALE))
"""Peers that hold a connection and say nothing; both ends are of this process, which may open so many."""
ASKED = 200
WORSE = 1.5
"""How much more processor time an honest peer's message may cost among them."""
LEAST_TURNS, MOST_TURNS = 5, 60
"""Each keeps the least of its turns; a crowd that costs something costs it in every turn."""
SENDERS = 80
"""Ten times those of the other tests."""
MESSAGES = max(800, int(20_000 * SCALE))
USUAL = MESSAGES // 2
"""Messages of the usual senders before: with these the pages of the store that are kept in memory fill up as well."""
ROOM = 64 * 2**20
"""Bytes by which the process may grow under them, whatever the number of messages."""


async def _costs(port: int) -> tuple[float, float]:
    """Processor time of both sides for one message of an honest peer: median and 95th percentile of some."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    for _ in range(ASKED):
        began = time.process_time()
        writer.write(encode(b"MSH|honest"))
        await asyncio.wait_for(reader.readuntil(b"\x1c\r"), PATIENCE)
        taken.append(time.process_time() - began)
    writer.close()
    taken.sort()
    return taken[ASKED // 2], taken[ASKED * 95 // 100]


async def _server() -> MllpServer:
    def answer(frame: bytes, reply: Callable[[bytes], None]) -> None:
        reply(frame)

    server = MllpServer("127.0.0.1", 0, answer, oversized=answer, limits=Limits(connections=IDLE + 10))
    await server.start()
    return server


async def _crowd(server: MllpServer, crowd: ExitStack) -> None:
    for _ in range(IDLE):
        crowd.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
        await asyncio.sleep(0)  # the server accepts them meanwhile
    while len(server.connections) < IDLE:
        await asyncio.sleep(0.01)


@pytest.mark.timeout(600)
def test_idle_peers_cost_the_others_nothing() -> None:
    """Among thousands of silent peers an honest one's messages take what they take alone, nearly every one of them.

    A server alone and one in a crowd, each on a loop of its own, take turns: what slows the processor slows both.
    """
    alone = among = (float("inf"), float("inf"))
    with asyncio.Runner() as quiet, asyncio.Runner() as loud, ExitStack() as crowd:
        unbothered, crowded = quiet.run(_server()), loud.run(_server())
        loud.run(_crowd(crowded, crowd))
        for turn in range(MOST_TURNS):
            alone = _least(alone, quiet.run(_costs(unbothered.port)))
            among = _least(among, loud.run(_costs(crowded.port)))
            if turn >= LEAST_TURNS and _bearable(alone, among):
                break
        assert len(crowded.connections) >= IDLE
        quiet.run(unbothered.close(grace=0.1))
        loud.run(crowded.close(grace=0.1))
    for what, one, other in zip(("median", "95th percentile"), alone, among, strict=True):
        print(f"{what}: {one * 1e6:.0f} us alone, {other * 1e6:.0f} us among {IDLE} idle peers")
    assert _bearable(alone, among)


def _least(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return min(one[0], other[0]), min(one[1], other[1])


def _bearable(alone: tuple[float, float], among: tuple[float, float]) -> bool:
    return all(other <= WORSE * one for one, other in zip(alone, among, strict=True))


@pytest.mark.timeout(600)
def test_ten_times_the_senders_are_all_answered_in_bounded_memory(tmp_path: Path) -> None:
    """Every message of eighty senders at once is answered, the process grows by no more than a bound, and it drains."""
    messages = clinic_day(95, patients=MESSAGES // 10, visits=MESSAGES)[:MESSAGES]
    usual = clinic_day(96, patients=USUAL // 10, visits=USUAL)[:USUAL]
    acked: set[str] = set()

    def heard(control_id: str, code: str) -> None:
        if code == "AA":
            acked.add(control_id)

    async def crowd(port: int, pid: int) -> int:
        shares = [messages[first::SENDERS] for first in range(SENDERS)]
        sending = asyncio.gather(
            *(send_day("127.0.0.1", port, share, heard, attempts=60, timeout=PATIENCE) for share in shares)
        )
        most = 0
        while not sending.done():
            most = max(most, memory(pid, "VmRSS"))
            await asyncio.wait({sending}, timeout=0.1)
        await sending
        return most

    with Deployment(tmp_path) as deployment:
        deployment.start()
        Load(deployment.port, usual).finish(PATIENCE)
        deployment.drain(120)
        pid = deployment.pid
        assert pid is not None
        before = memory(pid, "VmRSS")
        most = asyncio.run(crowd(deployment.port, pid))
        ledger = deployment.drain(240)
        assert deployment.pid == pid, "the process ended"
        assert acked - deployment.stored() == set()
        second = deployment.received().second
    print(f"{len(acked)} messages of {SENDERS} senders: {before / 2**20:.0f} MiB before, {most / 2**20:.0f} at most")
    assert len(acked) == len(messages)
    assert (ledger["unaccounted"], ledger["pending"]) == (0, 0)
    assert second == []
    assert most - before < ROOM
