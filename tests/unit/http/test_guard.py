"""The door of a port: bodies that arrive slowly or in crowds take nobody's place."""

from __future__ import annotations

import asyncio

from gateway.http import guard
from gateway.http.guard import Guard
from gateway.http.proxies import Proxies
from tests.waiting import until

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/hooks/x",
    "raw_path": b"/hooks/x",
    "query_string": b"",
    "headers": [],
}
"""A hook's request."""


class Peer:
    """Sends what it is told to, and keeps the status it gets."""

    def __init__(self, *parts):
        self.parts = asyncio.Queue()
        for part in parts:
            self.parts.put_nowait(part)
        self.status = 0

    async def receive(self):
        return {
            "type": "http.request",
            "body": await self.parts.get(),
            "more_body": not self.parts.empty() or not self.last,
        }

    last = True

    async def send(self, message):
        self.status = message.get("status", self.status)


class Slow(Peer):
    """Never comes to an end."""

    last = False


async def room(scope, receive, send):
    """Answer at once."""
    await send({"type": "http.response.start", "status": 204, "headers": []})


def door(most):
    return Guard(room, hook_bytes=2**20, secure=False, proxies=Proxies((), "x-forwarded-for"), most=most)


def test_a_slow_body_takes_no_place():
    """While peers dribble their bodies, as many as there are places, a request that is there is answered."""

    async def run():
        guarded = door(2)
        slow = [Slow(b"x") for _ in range(5)]
        dribbling = [asyncio.create_task(guarded(SCOPE, one.receive, one.send)) for one in slow]
        await until(lambda: all(one.parts.empty() for one in slow))
        quick = Peer(b"whole")
        await guarded(SCOPE, quick.receive, quick.send)
        assert quick.status == 204
        for one in dribbling:
            one.cancel()

    asyncio.run(run())


def test_large_bodies_share_their_room(monkeypatch):
    """What arrives at one time is bounded, small bodies always find room, and what ended leaves its room behind."""
    monkeypatch.setattr(guard, "LARGE_BYTES", 300_000)

    async def run():
        guarded = door(9)
        held = Slow(bytes(guard.SMALL_BYTES + 250_000))
        holding = asyncio.create_task(guarded(SCOPE, held.receive, held.send))
        await until(held.parts.empty)
        large, small = Peer(bytes(guard.SMALL_BYTES + 60_000)), Peer(bytes(guard.SMALL_BYTES))
        await guarded(SCOPE, large.receive, large.send)
        await guarded(SCOPE, small.receive, small.send)
        assert (large.status, small.status) == (503, 204)
        holding.cancel()
        await asyncio.wait({holding})
        again = Peer(bytes(guard.SMALL_BYTES + 60_000))
        await guarded(SCOPE, again.receive, again.send)
        assert again.status == 204

    asyncio.run(run())
