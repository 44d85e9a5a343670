"""Simulators that run beside the test, on an event loop in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

from aiohttp import web

from gateway_webhook.simulator import Receiver
from tests.waiting import PATIENCE

T = TypeVar("T")


class Beside:
    """An event loop in a thread, for as long as the block."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="beside", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def call(self, work: Callable[[], T]) -> T:
        """Run a function there, where it is alone with the simulators, and wait for its result."""

        async def called() -> T:
            return work()

        return self.run(called())


class Picky(Receiver):
    """A receiver that refuses for good every body that holds ``refused``, as one does that cannot read a patient."""

    refused: bytes = b""

    async def _receive(self, request: web.Request) -> web.Response:
        if self.refused and self.refused in await request.read():
            return web.Response(status=422)
        return await super()._receive(request)
