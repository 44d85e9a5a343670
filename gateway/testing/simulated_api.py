"""The chassis of every vendor simulator: a loopback server with a request limit, and faults that can be switched on."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Literal

from aiohttp import web

from gateway.model.exchange import RateBudget

Fault = Literal["429", "500", "html", "half-body", "wrong-total", "looping-links"]
"""What an answer can be spoiled with; the last two are for the vendor's simulator to act out."""
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
        self._budget = budget
        self._recent: deque[float] = deque()
        self._faults: Counter[Fault] = Counter()
        self._runner: web.AppRunner | None = None

    @abstractmethod
    def routes(self, router: web.UrlDispatcher) -> None:
        """Add the vendor's routes; a ``KeyError`` in a handler is answered with 404."""

    @abstractmethod
    def refusal(self, request: web.Request) -> web.Response | None:
        """The vendor's answer to a request without a valid credential; None lets it in."""

    async def start(self, port: int = 0) -> str:
        """Listen on loopback, on any free port by default; returns ``base_url``."""

        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._gate(request, handler)

        app = web.Application(middlewares=[gate])
        self.routes(app.router)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self.base_url

    async def stop(self) -> None:
        """Close the listener and its connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    def fail(self, fault: Fault, times: int = 1) -> None:
        """Spoil the next ``times`` answers to which the fault applies."""
        self._faults[fault] += times

    def heal(self) -> None:
        """Switch every fault off."""
        self._faults.clear()

    def takes(self, fault: Fault) -> bool:
        """Whether the answer at hand is to be spoiled; uses the fault up by one."""
        if self._faults[fault] < 1:
            return False
        self._faults[fault] -= 1
        return True

    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response: web.StreamResponse | None = self.refusal(request) or self._limited() or self._broken()
        if response is None:
            try:
                response = await handler(request)
            except KeyError:
                response = web.json_response({"message": "Not found"}, status=404)
        self.answered[response.status] += 1
        return await _half(request, response) if response.status == 200 and self.takes("half-body") else response

    def _limited(self) -> web.Response | None:
        now, seconds = time.monotonic(), self._budget.seconds
        while self._recent and self._recent[0] + seconds <= now:
            self._recent.popleft()
        if len(self._recent) < self._budget.requests and not self.takes("429"):
            self._recent.append(now)
            return None
        opens_in = self._recent[0] + seconds - now if self._recent else 0.0
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
