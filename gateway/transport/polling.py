"""Asks a system again and again: one loop per stream, so that a broken stream does not stop its siblings."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Protocol

import msgspec
import structlog

from gateway.errors import GatewayError, RetryLater, Stop
from gateway.model.exchange import Intake
from gateway.model.full_list import Sweep
from gateway.transport.budget import behind_live_traffic
from gateway.transport.history import bringing_history
from gateway.transport.page_by_page import PageByPage
from gateway.transport.schedule import Line, Scheduler, Seat, current_seat

MOST_OFTEN = 20
"""How often a stream is asked in its interval when its system keeps saying that something changed."""
GATHER_SECONDS = 0.5
"""How long the first notice waits for others; many servers find a change by search a moment later than they tell it."""
_log = structlog.get_logger(__name__)


class PolledStream(Protocol):
    """What one loop asks for."""

    name: str

    async def poll(self, intake: Intake) -> None:
        """Bring in everything new since the stream's committed cursor; raise a gateway error when that fails."""


class Rhythm(msgspec.Struct, frozen=True, kw_only=True):
    """How often to ask, in seconds."""

    interval: float = 60.0
    jitter: float = 0.1
    """Part of the interval by which each wait may be shorter, so that sources do not ask in step."""
    backoff: float = 5.0
    """After the first failure wait at most this long, after each further one at most twice as long as before."""
    backoff_cap: float = 900.0


class Poller:
    """The transport of one polled source: runs its streams until cancelled.

    Whatever may pass is retried forever; a ``Stop`` and any error that is not ours end the run. The log gets one line
    when the source goes down and one when all its streams answer again, however many attempts lie between.
    ``paces`` are intervals of streams, by name, that are asked more seldom than the others.
    """

    def __init__(
        self,
        source: str,
        streams: Sequence[PolledStream],
        rhythm: Rhythm,
        *,
        sweeps: Sequence[Sweep] = (),
        paces: Mapping[str, float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._source = source
        self._streams = streams
        self._sweeps = sweeps
        self._paces = paces or {}
        self._rhythm = rhythm
        self._sleep = sleep
        self._jitter = jitter
        self._down: set[str] = set()

    async def run(self, intake: Intake) -> None:
        """Poll until cancelled; raises the first ``Stop``, which a person must act on."""
        seat = current_seat() or Scheduler().seat("", self._source, "", {})
        try:
            async with asyncio.TaskGroup() as group:
                for stream in self._streams:
                    group.create_task(self._loop(stream, intake, seat))
                for sweep in self._sweeps if seat.sweeping is not None else ():
                    group.create_task(self._behind(sweep, intake, seat))
        except* Exception as failed:  # noqa: BLE001 - nothing is swallowed: the group becomes its first error
            raise failed.exceptions[0] from None

    async def _loop(self, stream: PolledStream, intake: Intake, seat: Seat) -> None:
        line = seat.line(stream.name, self._paces.get(stream.name, self._rhythm.interval))
        while True:
            async with seat.turn() as place:
                line.began(seat.now())
                wait = await self._poll(stream, PageByPage(intake, place), seat, line)
            line.next_at = seat.now() + wait
            await self._rest(wait, line)

    async def _rest(self, wait: float, line: Line) -> None:
        """Until it is time, or shortly after the system said that something changed; a failing one is left alone."""
        if line.failures:
            await self._sleep(wait)
            return
        sleeping = asyncio.ensure_future(self._sleep(wait))
        told = asyncio.ensure_future(self._told(line))
        try:
            await asyncio.wait((sleeping, told), return_when=asyncio.FIRST_COMPLETED)
            if sleeping.done():
                sleeping.result()
        finally:
            sleeping.cancel()
            told.cancel()

    async def _told(self, line: Line) -> None:
        """Many notices in a short time are one: a stream is asked ``MOST_OFTEN`` times in its interval at most."""
        await asyncio.sleep(line.interval / MOST_OFTEN)
        await line.told.wait()
        await asyncio.sleep(min(GATHER_SECONDS, line.interval))

    async def _poll(self, stream: PolledStream, intake: Intake, seat: Seat, line: Line) -> float:
        """One poll; how long to wait after it. The first that succeeds brings what has gathered: years, or a night."""
        try:
            with nullcontext() if line.known_at is not None else bringing_history():
                await stream.poll(intake)
        except GatewayError as error:
            line.failed(error)
            if isinstance(error, Stop):
                raise
            self._went_down(stream.name, error)
            return self._backoff(line.failures - 1, error)
        line.succeeded(seat.now())
        self._came_back(stream.name)
        return line.interval * (1.0 - self._rhythm.jitter * self._jitter())

    async def _behind(self, sweep: Sweep, intake: Intake, seat: Seat) -> None:
        """Sweep a list whenever that is due, behind live traffic; what fails goes on where it was."""
        sweeping = seat.sweeping
        if sweeping is None:
            return
        failures = 0
        line = seat.lines.get(sweep.name)
        while not sweep.history and line is not None and line.known_at is None:
            await self._sleep(self._rhythm.interval)  # what polling is about to bring is not missed
        while True:
            try:
                due = await sweeping.due(sweep)
                if due <= 0:
                    async with seat.turn():
                        pass  # wait to lead; a sweep takes hours and must not keep a poll's place
                    with behind_live_traffic(), bringing_history():
                        await sweeping.run(sweep, intake)
            except Stop:
                raise
            except GatewayError as error:
                _log.warning("sweep waits", source=self._source, stream=sweep.name, code=error.code, what=error.what)
                due = self._backoff(failures, error)
                failures += 1
            else:
                failures = 0
            await self._sleep(max(due, self._rhythm.backoff * self._jitter()))

    def _backoff(self, failures: int, error: GatewayError) -> float:
        longest = min(self._rhythm.backoff_cap, self._rhythm.backoff * 2.0 ** min(failures, 30))
        asked = error.after if isinstance(error, RetryLater) and error.after else 0.0
        return max(asked, longest * self._jitter())

    def _went_down(self, stream: str, error: GatewayError) -> None:
        if not self._down:
            _log.warning(
                "source down", source=self._source, stream=stream, code=error.code, what=error.what, fix=error.fix
            )
        self._down.add(stream)

    def _came_back(self, stream: str) -> None:
        if self._down:
            self._down.discard(stream)
            if not self._down:
                _log.warning("source back", source=self._source)
