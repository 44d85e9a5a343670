"""Budgets and fair places: who is served next, and what work behind live traffic leaves alone."""

from __future__ import annotations

import asyncio

from gateway.model.exchange import RateBudget
from gateway.transport.budget import FairPlaces, RateWindow, Windows, asker, behind_live_traffic
from tests.waiting import PATIENCE


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def test_places_go_round_among_askers() -> None:
    """Who brings twenty requests waits behind itself: the others are served in between."""

    async def run() -> list[str]:
        places, served = FairPlaces(1), []

        async def one(who: str) -> None:
            asker.set(who)
            async with places.place():
                served.append(who)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for who in ["large"] * 20 + ["small"] * 2 + ["tiny"]:
                group.create_task(one(who))
        return served

    served = asyncio.run(run())
    assert served[:6] == ["large", "large", "small", "tiny", "large", "small"]
    assert len(served) == 23


def test_a_cancelled_wait_gives_its_place_on() -> None:
    """Cancelling those who wait, even in the turn in which they were served, loses no place."""

    async def run() -> None:
        places = FairPlaces(1)

        async def hold() -> None:
            async with places.place():
                await asyncio.sleep(60)

        holder, waiter = asyncio.create_task(hold()), asyncio.create_task(hold())
        await asyncio.sleep(0)
        holder.cancel()
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(holder, waiter, return_exceptions=True)
        async with asyncio.timeout(PATIENCE), places.place():
            pass

    asyncio.run(run())


def test_a_place_given_back_early_is_freed_once() -> None:
    """Whoever gives a place back and ends before having it anew leaves as many places as there were."""

    async def run() -> None:
        places = FairPlaces(1)

        async def lends() -> None:
            async with places.place() as place:
                place.give_back()
                await asyncio.sleep(0)
                await place.take()
                await asyncio.sleep(60)

        first, second = asyncio.create_task(lends()), asyncio.create_task(lends())
        for _ in range(5):
            await asyncio.sleep(0)
        for task in (second, first):
            task.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        async with places.place():
            other = asyncio.create_task(lends())
            await asyncio.sleep(0)
            assert places._waiting, "there was one place, and there is one"
            other.cancel()
            await asyncio.gather(other, return_exceptions=True)

    asyncio.run(run())


def test_work_behind_live_traffic_leaves_half_of_the_budget() -> None:
    """A sweep waits while half of the budget is used, live traffic does not."""

    async def run() -> None:
        clock = Clock()
        window = RateWindow(RateBudget(requests=4, seconds=10.0), clock=clock, sleep=clock.sleep)
        for _ in range(2):
            async with window.slot():
                pass
        async with window.slot():
            assert clock.now == 0.0
        with behind_live_traffic():
            async with window.slot():
                assert clock.now == 10.0

    asyncio.run(run())


def test_windows_that_count_nothing_are_let_go() -> None:
    """The number of endpoints a peer can make us remember is bounded."""

    async def run() -> None:
        windows = Windows(RateBudget(requests=1, seconds=1000.0))
        async with windows.of("kept").slot():
            pass
        for number in range(Windows.MOST * 2):
            windows.of(str(number))
        assert windows.used["kept"] == 1
        assert len(windows.used) <= Windows.MOST

    asyncio.run(run())
