"""One scheduler for all polling of a process: whose turn it is, within which budgets, and how fresh everything is.

Theory of operation. The core gives each source a :class:`Seat` and puts it into the context in which the source's
transports run; pollers and HTTP clients find it there, so that no adapter has to know of it. A poll needs a turn, and
turns go round among sources: a clinic with many lists waits behind itself and never in front of others. At the end of
each page a turn goes on to whoever waits, so no reading of years holds one while another stream has news. A request
needs a place in every budget it falls under: its credential's, which the adapter knows, and those that the settings
give a vendor as a whole and each of its endpoints. Work behind live traffic takes only what that leaves of a budget.
Where several processes share one database, only the leader polls. What was spent outlives a crash in small files.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog

from gateway.errors import GatewayError
from gateway.model.exchange import Intake, RateBudget
from gateway.model.full_list import Sweep
from gateway.transport.budget import FairPlaces, Place, RateWindow, Windows, asker
from gateway.transport.spent import Spent

DEFAULT_GOAL = 300.0
INTERVALS_IN_GOAL = 2.5
"""Without a goal of its own, a stream may be as old as this many intervals."""
_log = structlog.get_logger(__name__)
OTHERS = "*"
"""The goal of a source's streams that have none of their own."""


class Sweeping(Protocol):
    """What the core does with a full listing of a source."""

    interval: float
    """Seconds between two sweeps of one list."""

    async def due(self, sweep: Sweep) -> float:
        """Seconds until the next sweep of this list; 0 when it is due or was broken off."""

    async def run(self, sweep: Sweep, intake: Intake) -> None:
        """Compare the source's list with the records made of it, from where an earlier sweep was broken off."""


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    """What one vendor allows beyond each credential's own budget."""

    together: RateBudget | None = None
    """All clinics of this process together, as where a vendor counts by address."""
    endpoint: RateBudget | None = None
    """Each endpoint of each clinic."""


class Line(msgspec.Struct, kw_only=True):
    """How one stream of one source stays current. Times are seconds since 1970."""

    stream: str
    interval: float
    goal: float
    registered: float
    state: str = "waiting"
    known_at: float | None = None
    """Everything that had happened by then is here."""
    last_success: float | None = None
    next_at: float | None = None
    error: str = ""
    where: str = ""
    fix: str = ""
    failures: int = 0
    told: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    """Set when the system says that something changed."""
    _began: float = 0.0

    def began(self, now: float) -> None:
        """A poll begins."""
        self.state, self.next_at, self._began = "polling", None, now
        self.told.clear()

    def succeeded(self, now: float) -> None:
        """It brought everything that was new when it began."""
        self.known_at, self.last_success = self._began, now
        self.state, self.error, self.where, self.fix, self.failures = "current", "", "", "", 0

    def failed(self, error: GatewayError) -> None:
        """It did not; the words of our errors hold no value of a patient."""
        self.state, self.failures = "failing", self.failures + 1
        self.error, self.where, self.fix = error.what, error.where, error.fix

    def lag(self, now: float) -> float:
        """Seconds by which what is known is older than its goal; before the first success since the start."""
        return max(0.0, now - (self.known_at or self.registered) - self.goal)

    def describe(self, now: float) -> dict[str, Any]:
        """For ``gateway sources``."""
        return {
            "stream": self.stream,
            "state": self.state,
            "freshness": None if self.known_at is None else round(now - self.known_at, 1),
            "goal": self.goal,
            "lag": round(self.lag(now), 1),
            "last_success": self.last_success,
            "next_poll": self.next_at,
            "failures": self.failures,
            "last_error": self.error,
            "where": self.where,
            "fix": self.fix,
        }


class Seat:
    """One source's place at the scheduler."""

    def __init__(
        self, scheduler: Scheduler, tenant: str, source: str, vendor: str, goals: Mapping[str, float],
        sweeping: Sweeping | None = None,
    ) -> None:  # fmt: skip
        self.tenant, self.source, self.vendor = tenant, source, vendor
        self.sweeping = sweeping
        self.lines: dict[str, Line] = {}
        self._scheduler = scheduler
        self._goals = goals
        self._windows: dict[RateWindow, int] = {}
        self._endpoints: Windows | None = None
        budgets = scheduler.budgets.get(vendor)
        if budgets is not None and budgets.endpoint is not None:
            self._endpoints = Windows(budgets.endpoint, partial(scheduler.keep, tenant, source))

    def line(self, stream: str, interval: float) -> Line:
        """Follow a stream that is asked every ``interval`` seconds; a goal of its own may make it more often."""
        own = self._goals.get(stream, self._goals.get(OTHERS))
        goal = own or max(DEFAULT_GOAL, interval * INTERVALS_IN_GOAL)
        often = min(interval, own / INTERVALS_IN_GOAL) if own else interval
        line = Line(stream=stream, interval=often, goal=goal, registered=self._scheduler.wall())
        self.lines[stream] = line
        return line

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Place]:
        """Wait until this process leads and a place is free; held while a stream asks."""
        async with self._scheduler.turns.place() as place:
            await self._scheduler.leading.wait()
            yield place

    def ask_soon(self) -> None:
        """The system says that something changed: its streams are asked before their time."""
        for line in self.lines.values():
            line.told.set()

    def own(self, window: RateWindow) -> None:
        """A client of this source keeps this budget."""
        number = next(one for one in count() if one not in self._windows.values())
        self._windows[window] = number
        self._scheduler.keep(self.tenant, self.source, window, f"credential {number}")

    def disown(self, window: RateWindow) -> None:
        """That client is closed."""
        del self._windows[window]
        window.let_go()

    @asynccontextmanager
    async def request(self, endpoint: str) -> AsyncIterator[None]:
        """Hold a place in the endpoint's and the vendor's budgets, where the settings give any."""
        async with AsyncExitStack() as held:
            await self._scheduler.leading.wait()
            if self._endpoints is not None:
                await held.enter_async_context(self._endpoints.of(endpoint).slot())
            together = self._scheduler.vendor(self.vendor)
            if together is not None:
                await held.enter_async_context(together.slot())
            yield

    def now(self) -> float:
        """The scheduler's wall clock."""
        return self._scheduler.wall()

    def describe(self) -> dict[str, Any]:
        """For ``gateway sources``."""
        now = self._scheduler.wall()
        return {
            "tenant": self.tenant,
            "source": self.source,
            "adapter": self.vendor,
            "budgets": [_told("credential", window) for window in self._windows],
            "streams": [line.describe(now) for line in self.lines.values()],
        }


class Scheduler:
    """All polling of a process.

    Args:
        at_once: streams that may be polled at a time.
        budgets: what vendors allow, by adapter.
        wall: seconds since 1970.
        spent: folder in which what was spent outlives this process; without one it does not.
    """

    def __init__(
        self, *, at_once: int = 32, budgets: Mapping[str, Budgets] | None = None,
        wall: Callable[[], float] = time.time, spent: Path | None = None,
    ) -> None:  # fmt: skip
        self.turns = FairPlaces(at_once)
        self.budgets = dict(budgets or {})
        self.wall = wall
        self._spent = spent
        self.leading = asyncio.Event()
        """Set while this process polls."""
        self.leading.set()
        self._vendors = {
            name: RateWindow(one.together) for name, one in self.budgets.items() if one.together is not None
        }
        for name, window in self._vendors.items():
            self.keep("", name, window, "together")
        self.seats: list[Seat] = []

    def seat(
        self, tenant: str, source: str, vendor: str, goals: Mapping[str, float], sweeping: Sweeping | None = None
    ) -> Seat:
        """A place for one source."""
        seat = Seat(self, tenant, source, vendor, goals, sweeping)
        self.seats.append(seat)
        return seat

    def keep(self, tenant: str, of: str, window: RateWindow, name: str) -> None:
        """Let what a window has spent outlive this process; the file's name tells of no endpoint."""
        if self._spent is None:
            return
        budget = window.budget
        named = f"{tenant}/{of}/{name}/{budget.requests}/{budget.seconds}"
        path = self._spent / hashlib.blake2b(named.encode(), digest_size=12).hexdigest()
        try:
            window.keep(Spent(path, budget.requests, wall=self.wall))
        except OSError as error:
            _log.warning("budget-not-kept", source=of, error=type(error).__name__)

    def vendor(self, name: str) -> RateWindow | None:
        """The budget that all clinics of a vendor share."""
        return self._vendors.get(name)

    def describe(self) -> dict[str, Any]:
        """How fresh everything is and how much of the budgets is used; times are seconds since 1970."""
        return {
            "at": self.wall(),
            "leading": self.leading.is_set(),
            "vendors": {name: _told("vendor", window) for name, window in self._vendors.items()},
            "sources": [seat.describe() for seat in self.seats if seat.lines],
        }


_seat: ContextVar[Seat | None] = ContextVar("the source's seat", default=None)


@contextmanager
def seated(seat: Seat) -> Iterator[None]:
    """What is started within finds this seat."""
    place, who = _seat.set(seat), asker.set(f"{seat.tenant}/{seat.source}")
    try:
        yield
    finally:
        asker.reset(who)
        _seat.reset(place)


def current_seat() -> Seat | None:
    """The seat of the source on whose behalf the running task works; None outside ``gateway serve``."""
    return _seat.get()


def _told(of: str, window: RateWindow) -> dict[str, Any]:
    return {"of": of, "used": window.used, "requests": window.budget.requests, "seconds": window.budget.seconds}
