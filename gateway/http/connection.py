"""One peer of a port, and the crowd of all of them: how long each may keep us waiting, and who goes when room is short.

The server below reads heads for as long as a peer sends them and holds answers for as long as nobody reads them. Here
the head of a request has its time from the connection's first moment or the request's first byte, and an answer that
nobody reads has its own. A peer of whom no request is under way stands in a line; where there is no room for one more,
or hardly a descriptor, whoever stands there longest goes, so silent peers keep nobody out. A slow body has its time and
room in ``guard.py``.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.descriptors import is_reserved

HEAD_SECONDS = 10.0
"""From the first byte of a request, or the beginning of its connection, to the end of its head."""
UNREAD_SECONDS = 60.0
"""For which an answer may lie unread; then nobody is there."""
CONNECTIONS_EACH = 4
"""Connections for each request that may be under way: most of a crowd's are idle."""


class Crowd:
    """The peers of one port.

    Args:
        state: where the server below keeps its connections.
        most: how many there may be.
    """

    def __init__(self, state: ServerState, most: int) -> None:
        self._state = state
        self._most = self._room = most
        self.idle: dict[Connection, None] = {}
        """Of whom no request is under way, the longest first."""

    def admits(self, peer: object, descriptor: int) -> bool:  # noqa: ARG002  # a listener tells both, everybody may ask
        """Whether one more may come in, be it that an idle one goes for it."""
        here = len(self._state.connections)
        if is_reserved(descriptor):
            # The next one may get a lower number, of somebody who just went; so what there is room for is remembered.
            self._room = min(self._room, here)
        elif here <= self._room // 2:
            self._room = self._most
        return here < self._room or bool(self.idle)

    def add(self, one: Connection) -> None:
        """Let a peer stand at the end of the line; where that is too many, the first one goes."""
        if len(self._state.connections) > self._room:
            oldest = next(iter(self.idle), one)
            self.idle.pop(oldest, None)
            oldest.transport.abort()
            if oldest is one:
                return
        self.idle[one] = None


class Connection(H11Protocol):
    """One peer."""

    def __init__(self, crowd: Crowd, **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type]  # handed through as the server below gives it
        self._crowd = crowd
        self._head: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base class has it
        """Wait for the first head."""
        super().connection_made(transport)
        self._crowd.add(self)
        self._head = self.loop.call_later(HEAD_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._crowd.idle.pop(self, None)
        self._head = _ended(self._head)
        self._unread = _ended(self._unread)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a head that has begun must end in its time."""
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_complete:
            self._crowd.idle.pop(self, None)
            self._head = _ended(self._head)
        elif self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def on_response_complete(self) -> None:
        """Stand in line again, at its end, unless the next request is there already."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_reader()
        elif self.cycle.response_complete:
            self._crowd.idle[self] = None

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that nothing came on; what lies unread must not keep it."""
        super().timeout_keep_alive_handler()
        self._await_reader()

    def pause_writing(self) -> None:
        """Wait for the peer to read."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """It reads."""
        self._unread = _ended(self._unread)
        super().resume_writing()

    def _await_reader(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)


def _ended(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer is not None:
        timer.cancel()
    return None
