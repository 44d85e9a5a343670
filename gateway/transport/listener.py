"""A listening port that looks before it lets in: whoever connects is admitted, or not, before TLS is spoken.

asyncio's own servers accept everybody and show a connection to its protocol once TLS is agreed. Peers that connect and
say nothing are then counted by nobody, and a few hundred of them hold every descriptor of the process. Here each
connection is judged as it is accepted, and those whose TLS is not agreed yet are few: one more ends the oldest.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl as tls
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

Admits = Callable[[object, int], bool]
"""Whether a peer may come in: its address and the connection's descriptor."""
BEGINNING = 128
"""Connections whose TLS is being agreed at one time."""
_AT_ONCE = 16
"""Connections accepted in one turn of the loop: far less than the reserve of descriptors, for whoever goes so that one
may come gives its descriptor back a turn later."""
_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_REST = 1.0
"""Seconds for which nobody is accepted when the system has no room for one more."""


class Listener:
    """Takes the connections of one port, and hands those that are admitted to new protocols.

    Args:
        sockets: bound, not listening yet; they are closed with the listener.
        protocol: makes what speaks with one peer.
        admits: asked before anything is read of a peer.
        backlog: connections that the system keeps for us.
        ssl: TLS settings; None for plain text.
        handshake: seconds that agreeing on TLS may take.

    Raises:
        OSError: somebody else listens there by now.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        protocol: Callable[[], asyncio.Protocol],
        admits: Admits,
        *,
        backlog: int,
        ssl: tls.SSLContext | None = None,
        handshake: float = 10.0,
    ) -> None:
        self._sockets = tuple(sockets)
        self._protocol = protocol
        self._admits = admits
        self._ssl = ssl
        self._handshake = handshake
        self._beginning: dict[asyncio.Task[None], None] = {}
        self._resting: dict[socket.socket, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()
        for one in self._sockets:
            one.setblocking(False)
            one.listen(backlog)
        for one in self._sockets:
            self._loop.add_reader(one, self._accept, one)

    @property
    def port(self) -> int:
        """The port of the first socket."""
        return _port(self._sockets)

    def close(self) -> None:
        """Listen no more, and let nobody in who has not come in yet; connections that are made go on."""
        listening, self._sockets = self._sockets, ()
        for one in listening:
            if (resting := self._resting.pop(one, None)) is not None:
                resting.cancel()
            self._loop.remove_reader(one)
            one.close()
        for task in tuple(self._beginning):
            task.cancel()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, peer = listening.accept()
            except OSError as error:
                if error.errno in _FULL:
                    self._loop.remove_reader(listening)
                    self._resting[listening] = self._loop.call_later(_REST, self._accept_again, listening)
                return  # nobody waits, or whoever did is gone
            if not self._admits(peer, connection.fileno()):
                connection.close()
                continue
            connection.setblocking(False)
            self._begin(connection)

    def _accept_again(self, listening: socket.socket) -> None:
        del self._resting[listening]
        self._loop.add_reader(listening, self._accept, listening)

    def _begin(self, connection: socket.socket) -> None:
        if self._ssl is not None and len(self._beginning) >= BEGINNING:
            oldest = next(iter(self._beginning))
            del self._beginning[oldest]
            oldest.cancel()
        task = self._loop.create_task(self._connect(connection))
        self._beginning[task] = None
        task.add_done_callback(partial(self._begun, connection))

    def _begun(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        self._beginning.pop(task, None)
        if task.cancelled():
            connection.close()  # nobody else does if it had not begun

    async def _connect(self, connection: socket.socket) -> None:
        handshake = None if self._ssl is None else self._handshake
        # A peer that speaks no TLS, is too slow at it, or goes is nobody's failure.
        with suppress(OSError, TimeoutError):
            await self._loop.connect_accepted_socket(
                self._protocol, connection, ssl=self._ssl, ssl_handshake_timeout=handshake
            )


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets on every address of this machine that ``host`` names; 0 takes a free port, the same for all.

    Raises:
        OSError: none of them can be had, or one is somebody else's.
    """
    bound: list[socket.socket] = []
    found = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )  # fmt: skip
    try:
        for last, (family, kind, protocol, _, address) in enumerate(found, 1 - len(found)):
            try:
                bound.append(_bound(family, kind, protocol, address, port or _port(bound)))
            except OSError as error:
                if error.errno not in _NOT_HERE or (not bound and not last):
                    raise
    except OSError:
        for one in bound:
            one.close()
        raise
    return bound


def _port(bound: Sequence[socket.socket]) -> int:
    number: int = bound[0].getsockname()[1] if bound else 0
    return number


def _bound(family: int, kind: int, protocol: int, address: Sequence[object], port: int) -> socket.socket:
    # asyncio sends at once only where the protocol is named; else a kept connection waits 40 ms for each answer's body
    one = socket.socket(family, kind, protocol)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((address[0], port, *address[2:]))
    except OSError:
        one.close()
        raise
    return one
