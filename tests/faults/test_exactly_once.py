"""A receiver that answers too late, resets after reading, or fails after the work was done: each effect happens once.

Over real loopback sockets, to a receiver that knows a repeat by its key, and to one that has no key and is asked first.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest
from aiohttp import web
from msgspec.structs import replace as altered

from gateway.flow import call
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Dispatch, Outcome, Retry
from gateway_webhook.plugin import WebhookSink
from tests.faults.deployment import SCALE
from tests.integration.parts import SINK, TENANT, Place, message, patient

EFFECTS = max(20, int(1000 * SCALE))
PATIENCE = 0.15
"""Seconds that the sinks wait for an answer; a late one takes longer."""
TURNS = 20
"""How often it is measured before a difference is one: a busy machine makes differences of its own."""
Fault = Literal["late", "reset", "failing"]


class Receiver:
    """Does the work of the first request of each effect, and then answers in the worst way; a second one it answers."""

    def __init__(self, fault: Fault, *, remembers: bool) -> None:
        self.fault = fault
        self.remembers = remembers
        self.work: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()

    async def post(self, request: web.Request) -> web.Response:
        """Take one effect; without a memory each request is work."""
        key = request.headers.get("webhook-id") or (await request.json())["reference"]
        await request.read()
        self.requests[key] += 1
        if not self.remembers or key not in self.work:
            self.work[key] += 1
        if self.requests[key] > 1:
            return web.Response()
        if self.fault == "late":
            await asyncio.sleep(PATIENCE * 2)
        elif self.fault == "reset" and request.transport is not None:
            request.transport.abort()
        return web.Response(status=500 if self.fault == "failing" else 200)

    async def get(self, request: web.Request) -> web.Response:
        """Whether an effect happened."""
        return web.Response(status=200 if request.match_info["key"] in self.work else 404)


class Orders:
    """A sink for an API without keys: after any doubt the core asks before it sends again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session: aiohttp.ClientSession | None = None

    async def _call(self, method: str, path: str, **more: Any) -> int:
        if self.session is None:
            self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))
        async with self.session.request(method, self.url + path, **more) as answer:
            return answer.status

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """All at once; every failure after the request began is a doubt."""
        return await asyncio.gather(*map(self._one, dispatch.deliveries))

    async def _one(self, delivery: Delivery) -> Outcome:
        try:
            status = await self._call("POST", "/orders", json={"reference": delivery.key})
        except (TimeoutError, aiohttp.ClientError):
            return Ambiguous("no-answer")
        return Delivered("ok") if status == 200 else Ambiguous(f"status-{status}")

    async def probe(self, delivery: Delivery) -> Outcome:
        """Read back."""
        status = await self._call("GET", f"/orders/{delivery.key}")
        return Delivered("found") if status == 200 else Retry("not-there")

    async def close(self) -> None:
        """Close the connections."""
        if self.session is not None:
            await self.session.close()


async def _served(receiver: Receiver) -> tuple[web.AppRunner, str]:
    application = web.Application()
    application.add_routes([web.post("/orders", receiver.post), web.get("/orders/{key}", receiver.get)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.mark.parametrize("idempotency", ["native-key", "probe"])
@pytest.mark.parametrize("fault", ["late", "reset", "failing"])
def test_each_effect_happens_once(
    tmp_path: Path, fault: Fault, idempotency: Literal["native-key", "probe"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the first answer was, every effect was worked on once, is delivered in the ledger, and nothing waits."""
    monkeypatch.setitem(os.environ, "HOOK", "whsec_" + base64.b64encode(b"k" * 32).decode())
    parts = Place(tmp_path, "embedded").open()
    parts.take(*(message(patient(f"p{number}", "A")) for number in range(EFFECTS)))
    receiver = Receiver(fault, remembers=idempotency == "native-key")

    async def run() -> None:
        runner, url = await _served(receiver)
        if idempotency == "probe":
            sink: Any = Orders(url)
            info = altered(SINK, idempotency="probe", batch=50)
        else:
            settings = {"url": f"{url}/orders", "secrets": ["env:HOOK"], "timeout": PATIENCE, "allow_loopback": True,
                        "concurrency": 10}  # fmt: skip
            sink = WebhookSink().open("desk", WebhookSink.config.model_validate(settings))
            info = altered(WebhookSink.info, batch=50)
        route = parts.delivering(sink, info=info, schedule=(0.0,) * 60)
        try:
            await route.recover()
            async with asyncio.timeout(240):
                while await route.step() is not None or route.waiting:
                    pass
        finally:
            await route.close()
            await runner.cleanup()

    asyncio.run(run())
    ledger = parts.ledger()
    parts.close()
    assert ledger.problems == []
    assert ledger.routes[0].delivered == EFFECTS
    assert set(receiver.work.values()) == {1}
    assert len(receiver.work) == EFFECTS
    if idempotency == "native-key":
        assert sum(receiver.requests.values()) >= 2 * EFFECTS


def test_the_judgement_sees_a_second_effect(tmp_path: Path) -> None:
    """A sink without a key that says Retry where it does not know makes second effects, and they are seen."""

    class Careless(Orders):
        async def _one(self, delivery: Delivery) -> Outcome:
            outcome = await super()._one(delivery)
            return Retry("no-answer") if isinstance(outcome, Ambiguous) else outcome

    parts = Place(tmp_path, "embedded").open()
    parts.take(*(message(patient(f"p{number}", "A")) for number in range(5)))
    receiver = Receiver("failing", remembers=False)

    async def run() -> None:
        runner, url = await _served(receiver)
        route = parts.delivering(Careless(url), info=altered(SINK, idempotency="probe"), schedule=(0.0,) * 60)
        await route.recover()
        while await route.step() is not None or route.waiting:
            pass
        await route.close()
        await runner.cleanup()

    asyncio.run(run())
    parts.close()
    assert set(receiver.work.values()) == {2}


def test_a_hung_sink_slows_nobody(tmp_path: Path) -> None:
    """Of ten routes on one journal one hangs: the others' 95th percentile is at most a tenth worse, or 20 ms.

    Times are processor time, which others on the machine do not lengthen; that nobody waits for the one that hangs is
    seen by a wait that ends before the route gives that one up.
    """
    parts = Place(tmp_path, "embedded").open()
    rounds = max(12, int(60 * SCALE))

    class Timed:
        def __init__(self, *, hangs: bool = False) -> None:
            self.hangs = hangs
            self.seen: dict[str, float] = {}

        async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
            if self.hangs:
                await asyncio.sleep(3600)
            now = time.process_time()
            for one in dispatch.deliveries:
                self.seen[one.record_id] = now
            return [Delivered("ok")] * len(dispatch.deliveries)

        async def probe(self, delivery: Delivery) -> Outcome:
            return Retry(delivery.key)

        async def close(self) -> None:
            return

    async def measured(prefix: str, *, hanging: bool) -> float:
        sinks = [Timed(hangs=hanging and number == 0) for number in range(10)]
        routes = [parts.delivering(sink, name=f"{prefix}{n}", start_now=True) for n, sink in enumerate(sinks)]
        for route in routes:
            await route.recover()  # from here on each knows where it begins: what comes now is for all of them
        tasks = [asyncio.create_task(route.run()) for route in routes]
        delays: list[float] = []
        for number in range(rounds):
            native_id = f"{prefix}-{number}"
            record = parts.vault.record_id(TENANT, "told", "Patient", native_id)
            began = time.process_time()
            await parts.accept(message(patient(native_id, "A")))
            await asyncio.to_thread(parts.settle)
            for route in routes:
                route.changed.set()
            async with asyncio.timeout(call.SEND_SECONDS / 2):
                while any(record not in sink.seen for sink in sinks if not sink.hangs):
                    await asyncio.sleep(0.001)
            delays += [sink.seen[record] - began for sink in sinks if not sink.hangs]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return sorted(delays)[len(delays) * 95 // 100]

    async def run() -> tuple[float, float]:
        free, hung = [], []
        for turn in range(TURNS):  # other processes share the machine: the best of some turns counts, for both alike
            free.append(await measured(f"warm{turn}", hanging=False))
            hung.append(await measured(f"hung{turn}", hanging=True))
            if turn and min(hung) <= max(min(free) * 1.10, min(free) + 0.02):
                break
        return min(free), min(hung)

    free, hung = asyncio.run(run())
    parts.close()
    print(f"p95 {free * 1000:.1f} ms with ten sinks, {hung * 1000:.1f} ms with one of them hanging")
    assert hung <= max(free * 1.10, free + 0.02)
