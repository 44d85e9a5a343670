"""Routes that run: beside failing ones, over a store that fails, and while others release what they hold."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.flow import call, deliver
from gateway.flow.deliver import Deliverer
from gateway.flow.quarantine import held, release
from gateway.model.exchange import Delivered, Delivery, Dispatch, Outcome, Rejected
from tests.integration.outcomes import rows, sound
from tests.integration.parts import TENANT, Parts, Written, message, patient
from tests.waiting import until


def test_a_raising_sink_never_stops_another_route(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a route whose sink raises and one whose sink hangs, the third delivers everything and stays alive."""
    monkeypatch.setattr(call, "SEND_SECONDS", 0.3)

    @dataclass
    class Hanging(Written):
        async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
            await asyncio.sleep(60)
            return []

    def explode(delivery: Delivery) -> Outcome:
        raise ZeroDivisionError

    good = Written()
    routes = [
        parts.delivering(Written(explode), name="raising"),
        parts.delivering(Hanging(), name="hanging"),
        parts.delivering(good, name="good"),
    ]

    async def run() -> None:
        tasks = [asyncio.create_task(route.run()) for route in routes]
        for number in range(5):
            await asyncio.to_thread(parts.take, message(patient(f"p{number}", "A")))
            for route in routes:
                route.changed.set()
            await asyncio.sleep(0.05)
        await until(lambda: len(good.effects) == 5)
        assert [task for task in tasks if task.done()] == []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
    assert len(good.effects) == 5
    sound(parts)


def test_a_store_failure_at_the_end_of_a_dispatch_does_not_lose_the_route_its_place(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the outcome cannot be committed, the same dispatch is sent again before anything later of the patient."""
    monkeypatch.setattr(deliver, "PAUSE_SECONDS", 0.1)
    parts.take(message(patient("p1", "A")))
    sink = Written()
    route = parts.delivering(sink)
    real = parts.store.write
    failing = 0

    async def unreliable(unit: Any) -> Any:
        if failing and sink.dispatches:
            raise StoreUnavailable("no")
        return await real(unit)

    async def run() -> None:
        nonlocal failing
        failing = 1
        parts.store.write = unreliable  # type: ignore[method-assign]  # a fault is planted
        task = asyncio.create_task(route.run())
        await until(lambda: sink.dispatches)
        await asyncio.to_thread(parts.take, message(patient("p1", "B")))
        await asyncio.sleep(0.3)
        failing = 0
        await until(lambda: len({delivery.key for delivery in sink.effects}) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert [dispatch.id for dispatch in sink.dispatches[:2]] == [sink.dispatches[0].id] * 2
    assert [delivery.version for delivery in sink.effects] == [1, 1, 2]
    sound(parts)


def test_a_running_route_sees_a_release_without_resting(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release made by another process is noticed by a route that always has something to do."""
    monkeypatch.setattr(deliver, "IDLE_SECONDS", 0.05)
    parts.take(message(patient("p1", "A")))
    broken = True
    sink = Written(lambda delivery: Rejected("no") if broken else Delivered("ok"))
    route: Deliverer = parts.delivering(sink)

    def nudged() -> bool:
        route.changed.set()
        return bool(sink.effects)

    async def run() -> None:
        nonlocal broken
        task = asyncio.create_task(route.run())
        await until(lambda: rows(parts))
        broken = False
        (one,) = parts.store.read_sync(lambda connection: held(connection, TENANT))
        release(parts.store, parts.audit, TENANT, one.id, "user:ann")
        await until(nudged)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert len(sink.effects) == 1
    sound(parts)
