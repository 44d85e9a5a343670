"""The scheduler: seats, turns, goals, leading, and what it says of each stream."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import RateLimited, SourceUnavailable
from gateway.model.exchange import RateBudget
from gateway.testing.recording_intake import RecordingIntake
from gateway.transport.polling import Poller, Rhythm
from gateway.transport.schedule import Budgets, Scheduler, current_seat, seated


class Stream:
    """Follows a script of results and then waits for ever."""

    def __init__(self, name: str, *results: Exception | None) -> None:
        self.name, self._results, self.polls = name, list(results), 0

    async def poll(self, intake) -> None:
        self.polls += 1
        if not self._results:
            await asyncio.Event().wait()
        result = self._results.pop(0)
        if result is not None:
            raise result


async def polled(scheduler: Scheduler, stream: Stream, goals: dict[str, float], **rhythm: float):
    """What the scheduler says once the script is through."""
    seat = scheduler.seat("clinic", "north", "vendor", goals)
    with seated(seat):
        poller = Poller("north", [stream], Rhythm(**{"interval": 0.001, "backoff": 0.001, **rhythm}))
        task = asyncio.create_task(poller.run(RecordingIntake()))
    for _ in range(200):
        await asyncio.sleep(0.001)
        if not stream._results:
            break
    await asyncio.sleep(0.01)
    said = scheduler.describe()["sources"][0]["streams"][0]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return said


def test_freshness_counts_from_the_beginning_of_the_last_good_poll() -> None:
    """What happened after a poll began may be missing from it, so it does not count as known."""
    now = [1000.0]

    async def run() -> None:
        scheduler = Scheduler(wall=lambda: now[0])
        line = scheduler.seat("clinic", "north", "vendor", {"visits": 60.0}).line("visits", 600.0)
        line.began(now[0])
        now[0] += 50.0
        line.succeeded(now[0])
        now[0] += 20.0
        said = line.describe(now[0])
        assert (said["freshness"], said["goal"], said["lag"], said["last_success"]) == (70.0, 60.0, 10.0, 1050.0)

    asyncio.run(run())


def test_a_goal_makes_a_stream_be_asked_often_enough() -> None:
    """A goal shorter than the adapter's interval shortens it; none leaves it, and the goal follows from it."""
    seat = Scheduler().seat("clinic", "north", "vendor", {"visits": 50.0})
    assert seat.line("visits", 600.0).interval == 20.0
    other = seat.line("invoices", 600.0)
    assert (other.interval, other.goal) == (600.0, 1500.0)


def test_a_failure_is_told_until_the_next_success() -> None:
    """The last error stands with its place and its cure while it lasts; lag grows although nothing was ever read."""
    down = SourceUnavailable("The source answered status 500", where="host/visits", fix="Ask them.")
    said = asyncio.run(polled(Scheduler(), Stream("visits", None, down), {}, backoff=60.0, backoff_cap=60.0))
    assert (said["state"], said["last_error"], said["where"]) == ("failing", down.what, "host/visits")
    assert said["fix"] == "Ask them."
    said = asyncio.run(polled(Scheduler(), Stream("visits", down, None), {}))
    assert (said["last_error"], said["fix"], said["failures"]) == ("", "", 0)


def test_the_time_a_peer_names_is_obeyed() -> None:
    """After a 429 the next poll is planned no sooner than the peer allowed."""
    stream = Stream("visits", RateLimited("full", after=300.0))
    scheduler = Scheduler(wall=lambda: 0.0)
    said = asyncio.run(polled(scheduler, stream, {}))
    assert said["next_poll"] >= 300.0
    assert stream.polls == 1


class BackFill:
    """A first reading that goes on for years, a page at a time."""

    name = "years"

    def __init__(self) -> None:
        self.pages = 0

    async def poll(self, intake) -> None:
        while True:
            self.pages += 1
            await intake.accept([], stream=self.name, cursor=str(self.pages))
            await asyncio.sleep(0)


class Full(RecordingIntake):
    """Has no room for what is stored."""

    async def accept(self, items, **page):
        await asyncio.Event().wait()


@pytest.mark.parametrize("full", [False, True], ids=["stored", "no-room"])
def test_first_readings_without_end_leave_turns_to_others(full: bool) -> None:
    """With every turn at a back-fill, of this clinic or another, a stream of short polls is polled all the same."""

    async def run() -> tuple[int, list[int]]:
        scheduler = Scheduler(at_once=2)
        short, fills, tasks = Stream("visits", *[None] * 20), [BackFill() for _ in range(4)], []

        def start(clinic: str, stream: Stream | BackFill, intake: RecordingIntake) -> None:
            with seated(scheduler.seat("group", clinic, "vendor", {})):
                poller = Poller(clinic, [stream], Rhythm(interval=0.001))
                tasks.append(asyncio.create_task(poller.run(intake)))

        for number, fill in enumerate(fills):
            start(f"clinic-{number % 2}", fill, Full() if full else RecordingIntake())
        await asyncio.sleep(0)
        start("clinic-1", short, RecordingIntake())
        for _ in range(2000):
            if short.polls == 21:
                break
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return short.polls, [fill.pages for fill in fills]

    polls, pages = asyncio.run(run())
    assert polls == 21
    assert min(pages) == 1 if full else min(pages) > 10, "and every back-fill goes on as well"


def test_only_the_leader_polls() -> None:
    """While another process leads nothing is asked; it begins as soon as this one leads."""

    async def run() -> None:
        scheduler, stream = Scheduler(), Stream("visits")
        scheduler.leading.clear()
        with seated(scheduler.seat("clinic", "north", "vendor", {})):
            task = asyncio.create_task(Poller("north", [stream], Rhythm()).run(RecordingIntake()))
        await asyncio.sleep(0.01)
        assert stream.polls == 0
        scheduler.leading.set()
        await asyncio.sleep(0.01)
        assert stream.polls == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["together", "endpoint"])
def test_settings_bound_a_vendor_and_its_endpoints(kind: str) -> None:
    """A second request waits where vendor or endpoint allow one; another endpoint's does not."""

    async def run() -> list[str]:
        scheduler = Scheduler(budgets={"vendor": Budgets(**{kind: RateBudget(requests=1, seconds=3600.0)})})
        asked: list[str] = []

        async def ask(clinic: str, endpoint: str) -> None:
            async with seats[clinic].request(endpoint):
                asked.append(f"{clinic} {endpoint}")

        seats = {clinic: scheduler.seat("group", clinic, "vendor", {}) for clinic in ("north", "south")}
        tasks = [
            asyncio.create_task(ask(*one)) for one in (("north", "a"), ("north", "a"), ("north", "b"), ("south", "a"))
        ]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return asked

    every = ["north a", "north b", "south a"]
    assert asyncio.run(run()) == (every[:1] if kind == "together" else every)


def test_nobody_else_sits_on_a_seat() -> None:
    """A seat is found by what was started within it, and by nothing else."""
    seat = Scheduler().seat("clinic", "north", "vendor", {})
    with seated(seat):
        assert current_seat() is seat
    assert current_seat() is None
