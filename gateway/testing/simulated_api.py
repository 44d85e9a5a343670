"""The chassis of every vendor simulator: a loopback server with a request limit, and faults that can be switched on."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Any

from aiohttp import web

from gateway.model.exchange import RateBudget

FAULTS = {
    "429": "answers that the request budget is used up",
    "500": "answers that something went wrong",
    "html": "answers a web page instead of JSON",
    "half-body": "hangs up in the middle of an answer",
}
"""What every answer can be spoiled with; a vendor's simulator may act out more."""
AFTER = {
    "late": "does what was asked, and answers after its client gave up",
    "lost": "does what was asked, and hangs up without an answer",
    "failed": "does what was asked, and answers that something went wrong",
}
"""What an answer to something done can be spoiled with, by :meth:`SimulatedApi.after`."""
CLOCK: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    "clock-behind": ("the vendor's clock is an hour late", lambda api: setattr(api, "skew", -3600.0)),
    "clock-ahead": ("the vendor's clock is an hour early", lambda api: setattr(api, "skew", 3600.0)),
    "clock-right": ("the vendor's clock is right again", lambda api: setattr(api, "skew", 0.0)),
}
"""Events of a vendor that says when something changed."""
LISTS: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    "lists-end-early": ("lists end after a page, and do not say that there is more", lambda api: api.end_early()),
    "answers-break": ("every answer is an error from now on", lambda api: api.fail("500", _FOR_GOOD)),
    "answers-whole": ("answers and lists are whole again", lambda api: api.heal()),
}
"""Events of a vendor whose lists are swept; its ``vanish`` lets rows end without a word."""
_FOR_GOOD = 1_000_000_000
EVERY = 10
"""A recurring fault spoils one answer in so many."""
EVENT_SECONDS = 30.0
"""So long after its start an event happens that was asked for as a fault: a gateway has read the clinic by then."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class SimulatedApi(ABC):
    """Counts and limits requests, spoils answers on demand and leaves the rest to a vendor's routes.

    Args:
        budget: requests in any window of so many seconds; one more gets 429 with the time when the window opens.
    """

    def __init__(self, budget: RateBudget) -> None:
        self.base_url = ""
        """``http://127.0.0.1:port`` while it listens."""
        self.answered: Counter[int] = Counter()
        """How many requests got each status."""
        self.late_seconds = 2.0
        """How long an answer that is ``late`` takes."""
        self.skew = 0.0
        """Seconds by which its clock is early; a vendor's simulator adds them wherever it says a time."""
        self.violations = 0
        """How many requests went beyond a budget; those that a fault refused do not count."""
        self.early = False
        """Whether lists end after a page though there is more; a vendor's simulator obeys."""
        self.shown: Counter[str] = Counter()
        """How often each fault was acted out."""
        self.tls: ssl.SSLContext | None = None
        """Over what it listens, where it is set before the start; plain HTTP otherwise."""
        self._budget = budget
        self._recent: deque[float] = deque()
        self._faults: Counter[str] = Counter()
        self._recurring: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None

    @abstractmethod
    def routes(self, router: web.UrlDispatcher) -> None:
        """Add the vendor's routes; a ``KeyError`` in a handler is answered with 404."""

    @abstractmethod
    def refusal(self, request: web.Request) -> web.Response | None:
        """The vendor's answer to a request without a valid credential; None lets it in."""

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Listen on loopback, on any free port by default; returns ``base_url``."""

        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._gate(request, handler)

        app = web.Application(middlewares=[gate])
        self.routes(app.router)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=self.tls).start()
        self.base_url = f"{'http' if self.tls is None else 'https'}://{host}:{self._runner.addresses[0][1]}"
        return self.base_url

    async def stop(self) -> None:
        """Close the listener and its connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    def fail(self, fault: str, times: int = 1) -> None:
        """Spoil the next ``times`` answers to which the fault applies."""
        self._faults[fault] += times

    def recur(self, fault: str) -> None:
        """Spoil one answer in :data:`EVERY` to which the fault applies, from now on."""
        self._recurring[fault] = EVERY - 3  # the third is the first, so that few answers are enough to see it
        self._faults.pop(fault, None)

    def end_early(self) -> None:
        """Let lists end after a page from now on."""
        self.early = True

    def heal(self) -> None:
        """Switch every fault off."""
        self.early = False
        self._faults.clear()
        self._recurring.clear()

    def takes(self, fault: str) -> bool:
        """Whether the answer at hand is to be spoiled; uses the fault up by one."""
        if fault in self._recurring:
            self._recurring[fault] += 1
            spoiled = self._recurring[fault] % EVERY == 0
        else:
            spoiled = self._faults[fault] > 0
            self._faults[fault] -= spoiled
        self.shown[fault] += spoiled
        return spoiled

    async def after(self, request: web.Request, response: web.Response) -> web.Response:
        """The answer to something that is done already, spoiled as told."""
        if self.takes("late"):
            await asyncio.sleep(self.late_seconds)
        if self.takes("lost") and request.transport is not None:
            request.transport.abort()
        return web.Response(text="Something went wrong", status=500) if self.takes("failed") else response

    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response: web.StreamResponse | None = self.refusal(request) or self._limited() or self._broken()
        if response is None:
            try:
                response = await handler(request)
            except KeyError:
                response = web.json_response({"message": "Not found"}, status=404)
        self.answered[response.status] += 1
        response.headers["Date"] = formatdate(time.time() + self.skew, usegmt=True)
        return await _half(request, response) if response.status == 200 and self.takes("half-body") else response

    def _limited(self) -> web.Response | None:
        now, seconds = time.monotonic(), self._budget.seconds
        while self._recent and self._recent[0] + seconds <= now:
            self._recent.popleft()
        if len(self._recent) >= self._budget.requests:
            self.violations += 1
            return self.too_many(self._recent[0] + seconds - now)
        if self.takes("429"):
            return self.too_many(0.0)
        self._recent.append(now)
        return None

    def too_many(self, opens_in: float) -> web.Response:
        """The answer to one request too many; a vendor's own form takes its place."""
        headers = {"X-RateLimit-Reset": str(math.ceil(time.time() + opens_in))}
        return web.json_response({"message": "Too many requests"}, status=429, headers=headers)

    def _broken(self) -> web.Response | None:
        if self.takes("500"):
            return web.Response(text="<h1>Something went wrong</h1>", content_type="text/html", status=500)
        if self.takes("html"):
            return web.Response(text="<html><body>Back soon</body></html>", content_type="text/html")
        return None


async def _half(request: web.Request, whole: web.StreamResponse) -> web.StreamResponse:
    """Announce the whole length, send half of it and hang up."""
    body = whole.body if isinstance(whole, web.Response) and isinstance(whole.body, bytes) else b""
    response = web.StreamResponse(headers={"Content-Type": whole.content_type, "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


class SimulatedSystem:
    """A vendor's simulated API as ``gateway simulate`` runs it.

    Args:
        name: what it is called on the command line.
        summary: one sentence for the list.
        build: makes the API of a clinic from its seed and its number of patients.
        tell: the settings a source needs while it listens.
        faults: what it can act out beyond :data:`FAULTS`.
        write_faults: what only those meet who write to it; no rule for who reads.
        events: what can happen at the clinic while it serves: a sentence, and what makes it happen.
    """

    lasting: frozenset[str] = frozenset()

    def __init__(
        self,
        name: str,
        summary: str,
        build: Callable[[int, int], SimulatedApi],
        tell: Callable[[SimulatedApi], Mapping[str, str]],
        faults: Mapping[str, str] | None = None,
        events: Mapping[str, tuple[str, Callable[[Any], object]]] | None = None,
        *,
        write_faults: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.summary = summary
        self.write_faults: Mapping[str, str] = write_faults or {}
        self.faults: Mapping[str, str] = FAULTS | dict(faults or {}) | dict(self.write_faults)
        self._build = build
        self._tell = tell
        self._acts = {name: act for name, (_, act) in (events or {}).items()}
        self.events: Mapping[str, str] = {name: words for name, (words, _) in (events or {}).items()}
        self._serving: SimulatedApi | None = None

    def counted(self) -> Mapping[str, int]:
        """What the clinic that it serves now has counted."""
        api = self._serving
        if api is None:
            return {}
        shown = {f"fault {name}": times for name, times in api.shown.items()}
        return {"requests": sum(api.answered.values()), "violations": api.violations, **shown}

    def happen(self, event: str) -> None:
        """Let one of the events happen at the clinic that it serves now."""
        self._acts[event](self._serving)

    async def serve(
        self, *, host: str, port: int, seed: int, clinic_size: int, faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:  # fmt: skip
        """Serve until cancelled; each fault spoils one answer in :data:`EVERY`, an event among them happens once."""
        api = self._serving = self._build(seed, clinic_size)
        for fault in faults:
            if fault in self._acts:
                asyncio.get_running_loop().call_later(EVENT_SECONDS, self.happen, fault)
            else:
                api.recur(fault)
        await api.start(port, host)
        try:
            opened(self._tell(api))
            await asyncio.Event().wait()
        finally:
            await api.stop()
