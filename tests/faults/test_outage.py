"""A receiver that is down for a day: what queued up drains in order, nothing is lost, and it costs what it always does.

The day passes on a clock of the test; what is delivered goes to a real endpoint on this machine.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import defaultdict
from pathlib import Path

import pytest
from msgspec.structs import replace as altered

from gateway.flow import deliver
from gateway.flow.clock import micros
from gateway.flow.deliver import Deliverer
from gateway.flow.policy import Policy
from gateway.model.exchange import Target
from gateway.testing.ports import free_port
from gateway_webhook.plugin import WebhookSink
from gateway_webhook.simulator import Receiver
from tests.faults.deployment import SCALE
from tests.integration.parts import Parts, Place, drain, message, patient

HOURS = 24
QUEUED = max(960, int(50_000 * SCALE)) // HOURS * HOURS
PATIENTS = QUEUED // 4
HOUR = 3_600_000_000
COST = 1.5
"""How much more processor time a delivery may cost after an outage than before; at full scale the figure is 1.1."""
TURNS = 3
"""Routes that live through the outage: the next one is looked at where others on the machine made one dearer."""
KEY = "whsec_" + base64.b64encode(bytes(32)).decode("ascii")


class Clock:
    """The wall clock, put forward."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        """Now."""
        return micros() + self.ahead


def posting(parts: Parts, name: str, port: int) -> Deliverer:
    """A route to the endpoint, as it is by default."""
    target = Target(url=f"http://127.0.0.1:{port}/hook", secrets=(KEY,), content="full", allow_loopback=True)
    sink = WebhookSink()
    info = altered(sink.info, batch=64)
    return parts.delivering(
        sink.subscribe(name, target),
        name=name,
        info=info,
        policy=Policy(break_after=10),
        schedule=deliver.Route.schedule,
    )


async def emptied(route: Deliverer, clock: Clock) -> float:
    """Deliver all there is, hour by hour; the processor time it took."""
    began = time.process_time()
    for _ in range(3 * HOURS):
        await drain(route)
        if not route.waiting:
            return time.process_time() - began
        clock.ahead += HOUR
    raise AssertionError("changes still wait after three days")


def test_a_day_of_outage_drains_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a day without its receiver a route delivers all that queued up, once, in order, at its usual cost."""
    clock, port = Clock(), free_port()
    monkeypatch.setattr(deliver, "micros", clock)
    parts = Place(tmp_path, "embedded").open()
    receiver = Receiver(tmp_path / "ledger", [KEY])

    async def day() -> tuple[float, float, int, int]:
        downs = [posting(parts, f"down{turn}", port) for turn in range(TURNS)]
        for down in downs:
            await down.recover()
        for hour in range(HOURS):
            first = hour * QUEUED // HOURS
            items = [patient(f"p{n % PATIENTS}", f"N{n}") for n in range(first, first + QUEUED // HOURS)]
            await parts.accept(*map(message, items))
            await asyncio.to_thread(parts.settle)
            clock.ahead += HOUR
            for down in downs:
                await drain(down)
        tried = sum(down.waiting for down in downs)
        assert not receiver.lines
        await receiver.start(port)
        clock.ahead += HOUR
        drained = usual = float("inf")
        for turn, down in enumerate(downs, 1):
            drained = min(drained, await emptied(down, clock))
            steady = posting(parts, f"steady{turn}", port)
            await steady.recover()
            usual = min(usual, await emptied(steady, clock))
            await steady.close()
            if drained <= COST * usual:
                break
        for down in downs:
            await down.close()
        return drained, usual, tried, turn

    drained, usual, tried, turns = asyncio.run(day())
    asyncio.run(receiver.close())
    assert 0 < tried < QUEUED / 4, "a receiver that is down costs few attempts: the rest stays in the journal"
    assert (receiver.counts.effects, receiver.counts.repeats, receiver.counts.refused) == (2 * turns * QUEUED, 0, 0)
    versions: dict[str, list[int]] = defaultdict(list)
    for line in receiver.lines[:QUEUED]:
        versions[line.record].append(line.version)
    assert all(found == sorted(found) for found in versions.values())
    ledger = parts.ledger()
    parts.close()
    assert ledger.problems == []
    ended = [(one.delivered, one.pending) for one in ledger.routes]
    assert sorted(ended) == [(0, QUEUED)] * (TURNS - turns) + [(QUEUED, 0)] * 2 * turns
    print(f"{QUEUED} deliveries: {QUEUED / drained:.0f}/s after the outage, {QUEUED / usual:.0f}/s as ever")
    assert drained <= COST * usual
