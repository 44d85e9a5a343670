"""The poll loop: what it waits for, what it logs, and what ends it."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
import structlog

from gateway.errors import InvalidConfiguration, RateLimited, SourceUnavailable
from gateway.testing.recording_intake import RecordingIntake
from gateway.transport import polling
from gateway.transport.history import brings_history
from gateway.transport.polling import Poller, Rhythm
from gateway.transport.schedule import Scheduler, seated
from tests.waiting import PATIENCE, until


class Enough(Exception):
    """Ends a run after the wanted number of polls."""


class Script:
    """A stream that acts out a list of results, then ends the run."""

    def __init__(self, name: str, *results: Exception | None, waits_for: asyncio.Event | None = None) -> None:
        self.name = name
        self.results = list(results)
        self.polls = 0
        self.brought_history: list[bool] = []

    async def poll(self, intake) -> None:
        self.polls += 1
        self.brought_history.append(brings_history())
        if not self.results:
            raise Enough
        result = self.results.pop(0)
        if result is not None:
            raise result


def run(*streams: Script, rhythm: Rhythm | None = None, ends: type[Exception] = Enough):
    """Run until a script ends; returns (seconds waited in order, log entries)."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    poller = Poller("north", streams, rhythm or Rhythm(), sleep=sleep, jitter=lambda: 1.0)
    with structlog.testing.capture_logs() as logs, pytest.raises(ends):
        asyncio.run(poller.run(RecordingIntake()))
    return slept, logs


class Counted:
    """A stream that counts its polls, and fails while it is told to."""

    name = "counted"

    def __init__(self) -> None:
        self.at: list[float] = []
        self.fails = False

    @property
    def polls(self) -> int:
        return len(self.at)

    async def poll(self, intake) -> None:
        self.at.append(time.monotonic())
        if self.fails:
            raise SourceUnavailable("away")


async def polled(stream: Counted, steps, *, interval: float = 3600.0) -> None:
    """Run a poller in a seat of its own, and the steps beside it."""
    seat = Scheduler().seat("t", "north", "vendor", {})
    with seated(seat):
        task = asyncio.create_task(Poller("north", [stream], Rhythm(interval=interval)).run(RecordingIntake()))
    try:
        await until(lambda: stream.polls == 1)
        await steps(seat)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_stream_is_asked_before_its_time_when_its_system_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notices that come together are one; one that comes while the stream is asked is not lost."""
    monkeypatch.setattr(polling, "MOST_OFTEN", 1e9)
    monkeypatch.setattr(polling, "GATHER_SECONDS", 0.05)
    stream = Counted()

    async def steps(seat) -> None:
        for polls in (2, 3):
            for _ in range(100):
                seat.ask_soon()
            await until(lambda polls=polls: stream.polls == polls)
        await asyncio.sleep(0.3)
        assert stream.polls == 3

    asyncio.run(polled(stream, steps))


def test_notices_without_end_ask_so_often_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the interval lies between two polls however many notices come, and one that fails waits its time."""
    monkeypatch.setattr(polling, "GATHER_SECONDS", 0.0)
    stream = Counted()

    async def steps(seat) -> None:
        async def notices(enough) -> None:
            while not enough():
                seat.ask_soon()
                await asyncio.sleep(0.001)

        await asyncio.wait_for(notices(lambda: stream.polls == 4), PATIENCE)
        assert min(later - at for at, later in pairwise(stream.at)) > 0.19  # a twentieth of four seconds
        stream.fails = True
        await until(lambda: seat.lines["counted"].failures == 1)
        asked, end = stream.polls, time.monotonic() + 0.5
        await notices(lambda: time.monotonic() > end)
        assert stream.polls == asked

    monkeypatch.setattr(polling.Poller, "_backoff", lambda self, failures, error: 3600.0)
    asyncio.run(polled(stream, steps, interval=4.0))


def test_an_interval_lies_between_two_polls() -> None:
    """After a good poll the loop waits the interval less its jitter."""
    slept, logs = run(Script("a", None, None), rhythm=Rhythm(interval=60.0, jitter=0.1))
    assert slept == [54.0, 54.0]
    assert logs == []


def test_failures_back_off_and_success_resets() -> None:
    """Waits double up to the cap, and the peer's own wish counts when it is longer."""
    down = SourceUnavailable("The source answered status 500", where="h/x")
    slept, _ = run(
        Script("a", down, down, down, down, RateLimited("full", after=100.0), None, down),
        rhythm=Rhythm(interval=60.0, jitter=0.0, backoff=5.0, backoff_cap=30.0),
    )
    assert slept == [5.0, 10.0, 20.0, 30.0, 100.0, 60.0, 5.0]


def test_what_gathered_before_the_first_good_poll_is_history() -> None:
    """Until a stream was read once what it brings is normalized behind live traffic, and from then on it is that."""
    script = Script("a", SourceUnavailable("down"), None, SourceUnavailable("down"), None)
    run(script)
    assert script.brought_history == [True, True, False, False, False]


@pytest.mark.parametrize(("history", "begun"), [(False, 2), (True, 0)])
def test_a_sweep_begins_after_the_first_reading(history: bool, begun: int) -> None:
    """What polling is about to bring is not missed; a sweep that polling leaves the history to begins at once."""
    script = Script("a", SourceUnavailable("down"), None, *[None] * 20)
    polls: list[int] = []

    class Sweeping:
        interval = 1.0

        async def due(self, sweep: object) -> float:
            return 0.0

        async def run(self, sweep: object, intake: object) -> None:
            polls.append(script.polls)
            raise Enough

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)

    async def polled() -> None:
        seat = Scheduler().seat("clinic", "north", "vendor", {}, Sweeping())
        with seated(seat):
            sweep = SimpleNamespace(name="a", history=history)
            await Poller("north", [script], Rhythm(), sweeps=[sweep], sleep=sleep).run(RecordingIntake())

    with pytest.raises(Enough):
        asyncio.run(polled())
    assert polls[0] >= begun
    assert (polls[0] < 2) is history


def test_one_line_when_it_goes_down_and_one_when_it_is_back() -> None:
    """An outage of many attempts and several streams is two log lines with source and reason."""
    down = SourceUnavailable("The source answered status 500", where="h/x", fix="Ask them.")
    _, logs = run(Script("a", down, down, down, None, None), Script("b", down, None, None, None, None, None, None))
    assert [entry["event"] for entry in logs] == ["source down", "source back"]
    assert logs[0]["source"] == "north"
    assert (logs[0]["code"], logs[0]["fix"]) == ("source-unavailable", "Ask them.")


def test_a_broken_stream_does_not_stop_its_siblings() -> None:
    """While one stream fails forever, another goes on polling."""
    broken = Script("a", *[SourceUnavailable("down")] * 500)
    healthy = Script("b", *[None] * 20)
    run(broken, healthy)
    assert healthy.polls == 21


def test_what_a_person_must_fix_ends_the_run() -> None:
    """A Stop is raised as itself, not as a group."""
    run(Script("a", InvalidConfiguration("no key")), Script("b", *[None] * 9), ends=InvalidConfiguration)
