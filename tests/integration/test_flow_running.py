"""Routes that run: beside failing ones, over a store that fails, and while others release what they hold."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace as altered

from gateway.errors import StoreUnavailable
from gateway.flow import call, deliver, finish
from gateway.flow.deliver import Deliverer
from gateway.flow.quarantine import held, release
from gateway.model.exchange import Delivered, Delivery, Dispatch, Outcome, Rejected
from tests.integration.outcomes import rows, sound
from tests.integration.parts import SINK, TENANT, Parts, Written, message, patient
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


def failing_ends(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, sink: Written, *, kept: bool, seconds: float = 0.3, **options: Any
) -> None:
    """Deliver two versions of a patient while the store says for a time that what a dispatch came to is not written.

    ``kept``: that it was written nevertheless.
    """
    for module in (deliver, finish):
        monkeypatch.setattr(module, "PAUSE_SECONDS", 0.05)
    parts.take(message(patient("p1", "A")))
    route = parts.delivering(sink, **options)
    real, failing = parts.store.write, True

    async def unreliable(unit: Any) -> Any:
        if not failing or not sink.dispatches:
            return await real(unit)
        if kept:
            await real(unit)
        raise StoreUnavailable("no")

    async def run() -> None:
        nonlocal failing
        monkeypatch.setattr(parts.store, "write", unreliable)
        task = asyncio.create_task(route.run())
        await until(lambda: sink.dispatches)
        await asyncio.to_thread(parts.take, message(patient("p1", "B")))
        await asyncio.sleep(seconds)
        failing = False
        await until(lambda: len({delivery.key for delivery in sink.effects}) == 2)
        await until(lambda: len(rows(parts)) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    sound(parts)


def test_a_store_that_fails_for_long_does_not_lose_the_route_its_place(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the outcome cannot be committed, the same dispatch is sent again before anything later of the patient."""
    monkeypatch.setattr(finish, "KEPT_SECONDS", 0.0)
    sink = Written()
    failing_ends(parts, monkeypatch, sink, kept=False)
    assert [dispatch.id for dispatch in sink.dispatches[:2]] == [sink.dispatches[0].id] * 2
    assert [delivery.version for delivery in sink.effects] == [1, 1, 2]


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept-unseen"])
@pytest.mark.parametrize("idempotency", ["key", "none"])
def test_what_is_known_is_not_sent_again(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, idempotency: str, kept: bool
) -> None:
    """Over a store that fails for a while answers are kept: each change is sent once, and nothing is left in doubt."""
    sink = Written()
    failing_ends(parts, monkeypatch, sink, kept=kept, info=altered(SINK, idempotency=idempotency))
    assert [delivery.version for delivery in sink.effects] == [1, 2]
    assert rows(parts) == [("delivered", "")] * 2


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
