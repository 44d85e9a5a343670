"""Pages that leave over HTTP wait for their commit together, however many there are."""

from __future__ import annotations

import asyncio
import threading

from gateway.access import View
from gateway.flow.texts import keep_texts
from gateway.http.directory import Client, Principal
from gateway.http.house import House
from gateway.http.reading import Reader
from gateway.settings import Http
from gateway.store import reading
from tests.integration.parts import TENANT, Parts, message, patient

SECONDS = 60.0
"""How long anything here may take before it has failed."""
PAGES = 60
"""More than there are threads for requests."""
FULL = View("full", {"Patient": ["*"]})


def test_any_number_of_pages_share_the_next_commit(parts: Parts) -> None:
    """While one commit takes its time, every other page stands behind it, so that the next one is for all of them."""
    parts.take(message(patient("p1", "Family")))
    text = (bytes.fromhex(FULL.version), "view", FULL.text)
    parts.store.write_sync(lambda connection: keep_texts(connection, parts.audit, [TENANT], [text]))
    house = House(
        Http(),
        [TENANT],
        parts.store,
        parts.vault,
        parts.audit,
        {"full": FULL},
        {},
        print,
        lambda: 0,
        origins=parts.sources,
    )
    rows = parts.store.read_sync(lambda c: reading.newest(c, TENANT, [parts.record("Patient", "p1")]))
    parts.store.next_id("pages")  # the numbers of the first pages are committed by themselves
    reader = Reader(house, _principal())
    ended = threading.Event()

    async def asked() -> list[int]:
        parts.store.submit(lambda _: ended.wait(SECONDS))
        try:
            pages = [asyncio.ensure_future(reader.show(rows, len)) for _ in range(PAGES)]
            async with asyncio.timeout(SECONDS):
                while parts.store._writer._queue.qsize() < PAGES:
                    await asyncio.sleep(0.01)
        finally:
            ended.set()
        return await asyncio.gather(*pages)

    assert asyncio.run(asked()) == [1] * PAGES
    assert parts.ledger().problems == []


def _principal() -> Principal:
    client = Client(
        id="client-1", tenant=TENANT, view="full", purpose="operations", recipient="partner", scopes=(),
        locations=frozenset(), hook_hosts=frozenset(), quota=1000, jwks="", revoked=False,
    )  # fmt: skip
    return Principal(client, FULL, frozenset({"Patient"}))
