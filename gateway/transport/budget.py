"""Budgets of requests, and fair places: who may ask a vendor next, and how often.

Both wait in the order in which a fair clerk would serve: one asker after another, however many requests each brings.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from gateway.model.exchange import RateBudget
from gateway.transport.spent import Spent

Sleep = Callable[[float], Awaitable[None]]

BEHIND_SHARE = 0.5
"""Part of a budget that work behind live traffic may find used before it waits."""
_behind: ContextVar[bool] = ContextVar("behind live traffic", default=False)
asker: ContextVar[str] = ContextVar("who asks for a place", default="")
"""The source on whose behalf the running task asks."""


@contextmanager
def behind_live_traffic() -> Iterator[None]:
    """Requests made within take only what live traffic leaves of their budgets."""
    token = _behind.set(True)
    try:
        yield
    finally:
        _behind.reset(token)


class Place:
    """One of :class:`FairPlaces`: held until it is given back, and may be taken anew."""

    def __init__(self, places: FairPlaces) -> None:
        self._places = places
        self._held = False

    async def take(self) -> None:
        """Wait for it."""
        await self._places.take()
        self._held = True

    def give_back(self) -> None:
        """Let another have it; nothing when it is not held."""
        if self._held:
            self._held = False
            self._places.free()


class FairPlaces:
    """So many places at a time; when one is free it goes to the asker that was served longest ago."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """Wait for a place and hold it."""
        place = Place(self)
        await place.take()
        try:
            yield place
        finally:
            place.give_back()

    async def take(self) -> None:
        """Wait for a place, which is to be freed once."""
        if self._free > 0 and not self._waiting:
            self._free -= 1
            return
        who = asker.get()
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # the place was given in the same turn of the loop
                self.free()
            raise

    def free(self) -> None:
        """One place that was taken is free."""
        self._free += 1
        self._serve()

    def _serve(self) -> None:
        """The first asker gets one place and goes to the end of the row."""
        while self._free > 0 and self._waiting:
            who, places = self._waiting.popitem(last=False)
            while places and places[0].done():
                places.popleft()
            if not places:
                continue
            places.popleft().set_result(None)
            self._free -= 1
            if places:
                self._waiting[who] = places


class RateWindow:
    """Keeps requests within a budget, as the peer counts them.

    The peer sees a request some time between its start and its end. So a request holds its place until ``seconds``
    after its *end*: then no window of the peer, wherever it begins, holds more than the budget.
    """

    def __init__(
        self, budget: RateBudget, *, clock: Callable[[], float] = time.monotonic, sleep: Sleep = asyncio.sleep
    ) -> None:
        self.budget = budget
        self._clock = clock
        self._sleep = sleep
        self._ended: deque[float] = deque()
        self._running = 0
        self._resume_at = float("-inf")
        self._turn = FairPlaces(1)
        self._spent: Spent | None = None

    def keep(self, spent: Spent) -> None:
        """Before the first request: go on from what an earlier process has spent, and note what this one spends."""
        now = self._clock()
        self._ended.extend(now - age for age in spent.ages() if age < self.budget.seconds)
        self._resume_at = max(self._resume_at, now + spent.rests())
        self._spent = spent

    def let_go(self) -> None:
        """Close the file that :meth:`keep` was given."""
        if self._spent is not None:
            self._spent.close()
            self._spent = None

    @property
    def used(self) -> int:
        """Requests that count now."""
        self._forget()
        return self._running + len(self._ended)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a free place, hold it during the request and for ``seconds`` after it; one asker after another."""
        if _behind.get():
            most = max(1, int(self.budget.requests * BEHIND_SHARE))
            while (wait := self._wait(most)) > 0:
                await self._sleep(wait)
        async with self._turn.place():
            while (wait := self._wait(self.budget.requests)) > 0:
                await self._sleep(wait)
            self._running += 1
        spent = self._spent
        place = spent.begin() if spent is not None else 0
        try:
            yield
        finally:
            self._running -= 1
            self._ended.append(self._clock())
            if spent is not None:
                spent.end(place)

    def pause(self, seconds: float) -> None:
        """Start no request before ``seconds`` from now: the peer has said that its own count is full."""
        self._resume_at = max(self._resume_at, self._clock() + seconds)
        if self._spent is not None:
            self._spent.rest(self._resume_at - self._clock())

    def _forget(self) -> None:
        now = self._clock()
        while self._ended and self._ended[0] + self.budget.seconds <= now:
            self._ended.popleft()

    def _wait(self, most: int) -> float:
        self._forget()
        now = self._clock()
        wait = self._resume_at - now
        count = self._running + len(self._ended)
        if count >= most:
            # The place that frees one for us: with fewer ended than too many, a running one must end first.
            last = self._ended[min(count - most, len(self._ended) - 1)] if self._ended else now
            wait = max(wait, last + self.budget.seconds - now)
        return wait


class Windows:
    """The windows of many places of one kind, one each; those that count nothing any more are let go."""

    MOST = 256

    def __init__(self, budget: RateBudget, keep: Callable[[RateWindow, str], None] | None = None) -> None:
        self._budget = budget
        self._keep = keep
        self._windows: dict[str, RateWindow] = {}

    def of(self, place: str) -> RateWindow:
        """The window of a place."""
        if len(self._windows) >= self.MOST:
            for name in [name for name, window in self._windows.items() if not window.used]:
                self._windows.pop(name).let_go()
        window = self._windows.get(place)
        if window is None:
            window = self._windows[place] = RateWindow(self._budget)
            if self._keep is not None:
                self._keep(window, place)
        return window

    @property
    def used(self) -> Counter[str]:
        """Requests that count now, by place."""
        return Counter({name: window.used for name, window in self._windows.items()})
