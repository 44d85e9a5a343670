"""One client asks without pause over many connections; another asks what it always asks, over the same port.

How long the other waits by the clock is not judged: two shared processors give no percentile (`docs/design/faults.md`).
Two things that it waits for are: the processor, whose time is taken from its request to its answer while one request
of each connection of the flood is ahead of it, and the disk, to which a refused request must write nothing. Requests
that come later than its own are not ahead of it, so however slow a sync is, the figure is the same.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from contextlib import AsyncExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

from gateway.http.quota import WINDOW
from gateway.store import recount
from tests.faults.deployment import SCALE
from tests.integration.parts import TENANT, Parts, Place, message, patient
from tests.integration.serving import serving
from tests.integration.test_http_feed import add_client
from tests.waiting import PATIENCE

CONNECTIONS = 4
ASKED = max(15, int(150 * SCALE))
QUOTA = 30
"""Requests of the flooding client in a minute."""
REFUSED = 3 * QUOTA
"""Answers with 429 until which the other client goes on to ask."""
PATH = "/v1/Patient?limit=1"
ALONE = 40
"""Requests of which the 95th percentile is taken."""
WORSE = 3.0
"""How many times the processor time one of them may take: each connection of the flood adds half of one at most."""
TURNS = 8


def _flood(url: str, key: str, over: threading.Event, told: Counter[int]) -> None:
    """Ask until it is over, over one connection; what was answered, by status."""
    address = urlsplit(url)
    peer = HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE)
    while not over.is_set():
        peer.request("GET", PATH, headers={"Authorization": f"Bearer {key}"})
        answer = peer.getresponse()
        answer.read()
        told[answer.status] += 1
    peer.close()


@pytest.mark.timeout(600)
def test_a_flood_is_refused_and_the_others_are_served(tmp_path: Path) -> None:
    """Everybody else's every request is answered in full, the flood's with 429 beyond its quota, and none fails."""
    parts = Place(tmp_path, "embedded").open()
    parts.take(message(patient("p1", "A")))
    _, honest = add_client(parts)
    _, key = add_client(parts, quota=QUOTA)
    over = threading.Event()
    told: list[Counter[int]] = [Counter() for _ in range(CONNECTIONS)]
    with serving(parts) as served:
        floods = [threading.Thread(target=_flood, args=(served.url, key, over, one), daemon=True) for one in told]
        began = time.monotonic()
        for flood in floods:
            flood.start()
        try:
            answers: Counter[int] = Counter()
            while sum(one[429] for one in told) < REFUSED or answers.total() < ASKED:
                assert time.monotonic() - began < PATIENCE, "the flood is not refused"
                answers[served.ask(PATH, key=honest).status] += 1
        finally:
            over.set()
            for flood in floods:
                flood.join(PATIENCE)
            seconds = time.monotonic() - began
    flooded = sum(told, Counter())
    parts.close()
    print(f"{answers.total()} answered beside {flooded[429]} that were refused and {flooded[200]} that were not")
    assert set(answers) == {200}
    assert set(flooded) == {200, 429}
    assert QUOTA <= flooded[200] <= QUOTA * (1 + seconds / WINDOW) + 1


class Peer:
    """A client's connection, whose requests are sent and read apart."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._request = f"GET {PATH} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {key}\r\n\r\n".encode()

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._writer.close()

    def ask(self) -> None:
        """Send the request."""
        self._writer.write(self._request)

    async def told(self) -> int:
        """The status of the answer, which is read whole."""
        async with asyncio.timeout(PATIENCE):
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            await self._reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        return int(head.split(None, 2)[1])


async def _turn(honest: Peer, flood: list[Peer]) -> list[float]:
    """Processor time of every honest request with the flood's ahead of it, in the order in which they were made."""
    taken = []
    for _ in range(ALONE):
        began = time.process_time()
        for peer in flood:
            peer.ask()
        honest.ask()
        assert await honest.told() == 200
        taken.append(time.process_time() - began)
        assert {await peer.told() for peer in flood} <= {429}
    return taken


def _late(taken: list[float]) -> float:
    return sorted(taken)[ALONE * 95 // 100]


@pytest.mark.timeout(600)
def test_a_flood_lengthens_hardly_what_the_others_wait_for(tmp_path: Path) -> None:
    """With the flood ahead, nearly every honest request takes so much more at most, and the flood writes nothing."""
    parts = Place(tmp_path, "embedded").open()
    parts.take(message(patient("p1", "A")))
    _, honest = add_client(parts)
    flooding, key = add_client(parts, quota=1)

    def written(parts: Parts) -> int:
        """How many entries of the audit log name the client that floods."""
        bodies = parts.store.read_sync(lambda connection: list(recount.audit_bodies(connection, TENANT)))
        return sum(flooding.encode() in body for body in bodies)

    async def run(port: int) -> None:
        async with AsyncExitStack() as open_:
            asking = await open_.enter_async_context(Peer(port, honest))
            flood = [await open_.enter_async_context(Peer(port, key)) for _ in range(CONNECTIONS)]
            flood[0].ask()
            assert await flood[0].told() == 200
            best = {False: [float("inf")] * ALONE, True: [float("inf")] * ALONE}
            entries = written(parts)
            for _ in range(TURNS):
                for flooded in (False, True):
                    taken = await _turn(asking, flood if flooded else [])
                    best[flooded] = list(map(min, best[flooded], taken))
                if _late(best[True]) <= WORSE * _late(best[False]):
                    break
            print(f"95th percentile {_late(best[False]) * 1e3:.2f} ms alone, {_late(best[True]) * 1e3:.2f} ms flooded")
            assert _late(best[True]) <= WORSE * _late(best[False])
            assert written(parts) == entries

    with serving(parts) as served:
        asyncio.run(run(urlsplit(served.url).port or 0))
    parts.close()
