"""What was spent of a budget: it outlives the process that spent it, whatever that one was doing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.model.exchange import RateBudget
from gateway.transport.budget import RateWindow
from gateway.transport.schedule import Budgets, Scheduler
from gateway.transport.spent import Spent


class Clock:
    """Wall and monotonic time in one, which passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def window(folder: Path, clock: Clock, requests: int = 3) -> RateWindow:
    """One that goes on from the file, as each process begins."""
    found = RateWindow(RateBudget(requests=requests, seconds=60.0), clock=clock, sleep=clock.sleep)
    found.keep(Spent(folder / "budget", requests, wall=clock))
    return found


async def ask(asked: RateWindow, times: int = 1) -> None:
    """So many requests, one after another."""
    for _ in range(times):
        async with asked.slot():
            pass


def test_the_next_process_goes_on_from_what_was_spent(tmp_path: Path) -> None:
    """Whoever begins after a crash waits until the requests of the one before count no more."""

    async def run() -> None:
        clock = Clock()
        await ask(window(tmp_path, clock, 3), 2)  # and dies without a word
        clock.now += 10.0
        after = window(tmp_path, clock, 3)
        assert after.used == 2
        await ask(after)
        assert clock.now == 1_000_010.0
        await ask(after)
        assert clock.now == 1_000_060.0

    asyncio.run(run())


def test_a_request_that_was_on_its_way_counts_from_the_next_start(tmp_path: Path) -> None:
    """The peer may have seen it at any time until then."""

    async def run() -> None:
        clock = Clock()
        slot = window(tmp_path, clock, 1).slot()
        await slot.__aenter__()
        clock.now += 50.0
        after = window(tmp_path, clock, 1)
        await ask(after)
        assert clock.now == 1_000_110.0
        await slot.__aexit__(None, None, None)

    asyncio.run(run())


def test_what_the_peer_forbade_stays_forbidden(tmp_path: Path) -> None:
    """A peer that named a time is not asked before it because we crashed meanwhile."""

    async def run() -> None:
        clock = Clock()
        window(tmp_path, clock).pause(300.0)
        await ask(window(tmp_path, clock))
        assert clock.now == 1_000_300.0

    asyncio.run(run())


def test_many_requests_never_overwrite_one_that_counts(tmp_path: Path) -> None:
    """After any number of requests the file tells as many as count, a slow one among them."""

    async def run() -> None:
        clock = Clock()
        busy = window(tmp_path, clock, 3)
        async with busy.slot():
            for _ in range(20):
                await ask(busy)
                clock.now += 25.0
            assert busy.used == window(tmp_path, clock, 3).used == 3

    asyncio.run(run())


def test_a_clock_set_back_does_not_shut_a_budget_for_long(tmp_path: Path) -> None:
    """Times that lie in the future count as now, so nobody waits longer than one window."""

    async def run() -> None:
        clock = Clock()
        await ask(window(tmp_path, clock, 1))
        clock.now -= 86_400.0
        began = clock.now
        await ask(window(tmp_path, clock, 1))
        assert clock.now == began + 60.0

    asyncio.run(run())


def test_every_budget_of_a_source_is_remembered(tmp_path: Path) -> None:
    """Credential, endpoint and vendor: each goes on after a crash, and none of another source or budget does."""

    async def run() -> None:
        budget = RateBudget(requests=5, seconds=60.0)
        for number in range(2):
            scheduler = Scheduler(budgets={"vendor": Budgets(together=budget, endpoint=budget)}, spent=tmp_path)
            north, south = (scheduler.seat("group", name, "vendor", {}) for name in ("north", "south"))
            own, other = RateWindow(budget), RateWindow(budget)
            north.own(own)
            south.own(other)
            if number == 0:
                await ask(own, 2)
                async with north.request("visits"):
                    pass
                continue
            assert (own.used, other.used) == (2, 0)
            together = scheduler.vendor("vendor")
            assert together is not None
            assert together.used == 1
            async with north.request("visits"):
                assert north.describe()["budgets"][0]["used"] == 2
                assert together.used == 2

    asyncio.run(run())
    assert len(list(tmp_path.iterdir())) == 4


def test_without_a_place_for_the_file_requests_go_on(tmp_path: Path) -> None:
    """A folder that cannot be made costs the memory of a crash alone."""
    (tmp_path / "file").write_text("", "utf-8")
    scheduler = Scheduler(spent=tmp_path / "file" / "budgets")
    own = RateWindow(RateBudget(requests=1, seconds=60.0))
    scheduler.seat("group", "north", "vendor", {}).own(own)
    asyncio.run(ask(own))
    assert own.used == 1
