"""One client asks without pause over many connections; another asks what it always asks, over the same port.

How long the other waits is not judged: what two shared processors give is no percentile (`docs/design/faults.md`). What
the flood can make the gateway do is: it gets no more records opened than its quota allows.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.http.quota import WINDOW
from tests.faults.deployment import SCALE
from tests.integration.parts import Place, message, patient
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
