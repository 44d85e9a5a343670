"""An MLLP server: one object per connection, no task per message, answers in the order of arrival.

The handler gets each frame with a ``reply`` to call when the answer is known, at once or much later, in any order; the
server sends the answers of one connection in the order its frames came. What a peer can make the server hold is
bounded: frames in flight, the frame being received, and unsent answers stop the reading of that peer's socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl as tls
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import structlog

from gateway.descriptors import is_reserved
from gateway.errors import InvalidConfiguration
from gateway.transport.listener import Listener, bind
from gateway.transport.mllp_limits import Counts, Limits
from gateway.transport.mllp_peers import Network, is_loopback, may_speak_plainly
from gateway.wire import mllp

Reply = Callable[[bytes | None], None]
"""Answers one frame with a message's bytes, unframed. Call it once, at any time. ``b""`` settles the frame without an
answer; None hangs up, so that the peer sends again what it got no answer for."""

_log = structlog.get_logger(__name__)
_SWEEPS = 4.0
_LINGER = 0.5
_BACKLOG = 1024
_MOST_UNSENT = 64 * 1024


class Answer:
    """The :data:`Reply` to one frame, and a way to say more when that is known."""

    __slots__ = ("_cell", "_connection")

    def __init__(self, connection: Connection, cell: list[bytes | None]) -> None:
        self._connection = connection
        self._cell = cell

    def __call__(self, answer: bytes | None) -> None:
        """Answer the frame."""
        self._connection.reply(self._cell, answer)

    def later(self, message: bytes) -> None:
        """Send a message of our own on the same connection; nothing happens when it is closed by then."""
        self._connection.send(message)


Handler = Callable[[bytes, Answer], None]


class MllpServer:
    """Listens on one address.

    Args:
        host: the address to listen on.
        port: the port; 0 takes a free one, told by :attr:`port` after :meth:`start`.
        handler: called with every whole frame.
        oversized: called with the head of every frame that is longer than the limit; the rest was not kept.
        limits: what peers may use.
        ssl: TLS settings; without them only loopback and ``plaintext_networks`` may connect.
        refusal: why a client's certificate (DER) is refused, in a word; empty when it is not.
        plaintext_networks: networks that may connect without TLS.
    """

    def __init__(
        self,
        host: str,
        port: int,
        handler: Handler,
        *,
        oversized: Handler,
        limits: Limits | None = None,
        ssl: tls.SSLContext | None = None,
        refusal: Callable[[bytes], str] | None = None,
        plaintext_networks: Sequence[Network] = (),
    ) -> None:
        self.host = host
        self.port = port
        self.counts = Counts()
        self.limits = limits or Limits()
        self.handler = handler
        self.oversized = oversized
        self.encrypted = ssl is not None
        self.closing = False
        self.connections: set[Connection] = set()
        self._deserted = asyncio.Event()
        self._ssl = ssl
        self._refusal = refusal
        self._networks = tuple(plaintext_networks)
        self._listener: Listener | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        if not self.encrypted and not self._networks and not is_loopback(host):
            raise InvalidConfiguration(
                "An MLLP listener outside of loopback needs TLS.",
                where="host",
                fix="Configure a certificate, or list the networks that may speak without TLS in plaintext_networks.",
            )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Standing warnings about how this listener is set up, to be shown for as long as it runs."""
        if self.encrypted or not self._networks:
            return ()
        return (f"MLLP on port {self.port} takes patient data without TLS from the networks listed for it.",)

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            InvalidConfiguration: the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        try:
            self._listener = Listener(
                await loop.run_in_executor(None, bind, self.host, self.port),
                lambda: Connection(self, loop),
                self.admits,
                ssl=self._ssl,
                backlog=_BACKLOG,
                handshake=self.limits.slow,
            )
        except OSError as error:
            raise InvalidConfiguration(
                f"The MLLP listener cannot use its address: {error.strerror or type(error).__name__}.",
                where="host, port",
                fix="Choose a free port on an address of this machine.",
            ) from error
        self.port = self._listener.port
        for warning in self.warnings:
            _log.warning("mllp-plaintext", what=warning, port=self.port)
        self._sweep(loop)

    async def close(self, grace: float = 10.0) -> None:
        """Stop taking frames, send the answers still owed for at most ``grace`` seconds, then disconnect."""
        self.closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._listener is not None:
            self._listener.close()
        drained = [connection.drain() for connection in self.connections]
        if drained:
            await asyncio.wait(drained, timeout=grace)
            # Peers that see the end of our answers hang up; those that do not are cut off.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._deserted.wait(), _LINGER)
        for connection in tuple(self.connections):
            connection.abort()

    def admits(self, peer: object, descriptor: int) -> bool:
        """Whether a peer may connect: room is left, here and in the process, and without TLS its address is allowed."""
        allowed = not is_reserved(descriptor) and (self.encrypted or may_speak_plainly(peer, self._networks))
        if not allowed or self.full:
            self.counts.refused += 1
            return False
        return True

    @property
    def full(self) -> bool:
        """Whether nobody more may come in."""
        return self.closing or len(self.connections) >= self.limits.connections

    def judge_again(self) -> None:
        """Cut off the clients whose certificate is refused by now."""
        for connection in tuple(self.connections):
            if not self.trusts(connection.certificate()):
                connection.abort()

    def trusts(self, certificate: bytes | None) -> bool:
        """Whether a client's certificate is none that is refused."""
        why = self._refusal(certificate) if self._refusal is not None and certificate is not None else ""
        if why:
            self.counts.refused += 1
            _log.warning("mllp-client-refused", port=self.port, why=why)
        return not why

    def forget(self, connection: Connection) -> None:
        """Take note that a connection is lost."""
        self.connections.discard(connection)
        if self.closing and not self.connections:
            self._deserted.set()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in tuple(self.connections):
            if connection.overdue(now):
                self.counts.timed_out += 1
                connection.abort()
        pause = max(min(self.limits.idle, self.limits.slow) / _SWEEPS, 0.01)
        self._sweeper = loop.call_later(pause, self._sweep, loop)


class Connection(asyncio.Protocol):
    """One peer: decodes its frames, keeps their answers in order, and bounds what it may have in flight."""

    __slots__ = (
        "_backlog", "_begun", "_decoder", "_drained", "_ended", "_flushing", "_handing", "_heard", "_loop", "_out",
        "_paused", "_server", "_slots", "_stuck", "_transport", "_unsent",
    )  # fmt: skip

    def __init__(self, server: MllpServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._decoder = mllp.Decoder(server.limits.frame)
        self._slots: deque[list[bytes | None]] = deque()
        """One cell per frame in flight, in order of arrival; a filled cell holds its answer."""
        self._backlog: deque[mllp.Event] = deque()
        self._out: list[bytes] = []
        self._flushing = self._handing = self._paused = self._stuck = self._ended = False
        self._heard = loop.time()
        self._begun = 0.0
        self._unsent = 0
        self._drained: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class derives from neither
        if self._server.full:  # by those who were accepted together with this one
            self._server.counts.refused += 1
            self._transport.abort()
            return
        if not self._server.trusts(self.certificate()):
            self._transport.abort()
            return
        self._server.counts.accepted += 1
        self._server.connections.add(self)

    def certificate(self) -> bytes | None:
        """The client's certificate (DER), where it showed one."""
        secured = self._transport.get_extra_info("ssl_object")
        shown: bytes | None = None if secured is None else secured.getpeercert(binary_form=True)
        return shown

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # every way to end is alike here
        for event in self._decoder.close():
            self._count(event)
        self._backlog.clear()
        self._server.forget(self)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._drained is not None:
            # Read and dropped: closing over unread bytes would reset the connection and lose the last answers.
            return
        self._heard = self._loop.time()
        events = self._decoder.feed(data)
        if not self._decoder.inside:
            self._begun = 0.0
        elif events or not self._begun:
            self._begun = self._heard
        if events:
            self._backlog.extend(events)
            self._hand_over()
        if self._decoder.junk > self._server.limits.junk:
            self._transport.abort()

    def eof_received(self) -> bool:
        self._ended = True
        # TLS knows no half-closed connection; over TCP the answers still owed are sent first.
        return bool(self._slots or self._out) and not self._server.encrypted

    def pause_writing(self) -> None:
        self._stuck = True
        self._balance()

    def resume_writing(self) -> None:
        self._stuck = False
        self._hand_over()

    def overdue(self, now: float) -> bool:
        """Whether the peer is silent with nothing in flight, sends a frame too slowly, or does not read its answers."""
        limits = self._server.limits
        if self._begun and not self._paused and now - self._begun > limits.slow:
            return True
        return now - self._heard > limits.idle and (self._stuck or not self._slots)

    def drain(self) -> asyncio.Future[None]:
        """Take no more frames; the result is there when every answer owed was sent, or the connection is lost."""
        if self._drained is None:
            self._drained = self._loop.create_future()
        self._backlog.clear()
        self._balance()
        self._settle()
        return self._drained

    def abort(self) -> None:
        """Disconnect at once."""
        self._transport.abort()

    def _hand_over(self) -> None:
        """Give frames to the handler while there is room; called again when answers make room."""
        if self._handing:
            return
        self._handing = True
        try:
            while self._backlog and len(self._slots) < self._server.limits.in_flight and not self._stuck:
                event = self._backlog.popleft()
                self._count(event)
                if isinstance(event, mllp.Junk | mllp.Unfinished):
                    continue  # a frame that broke off was never answered: its sender sends it again
                cell: list[bytes | None] = [None]
                self._slots.append(cell)
                if isinstance(event, bytes):
                    self._server.handler(event, Answer(self, cell))
                else:
                    self._server.oversized(event.head, Answer(self, cell))
                if self._unsent > _MOST_UNSENT:
                    self._flush()  # which learns whether the peer reads its answers
        finally:
            self._handing = False
        self._balance()

    def _count(self, event: mllp.Event) -> None:
        counts = self._server.counts
        if isinstance(event, bytes):
            counts.frames += 1
        elif isinstance(event, mllp.Junk):
            counts.junk_bytes += event.size
        elif isinstance(event, mllp.Oversized):
            counts.oversized += 1
        else:
            counts.unfinished += 1

    def send(self, message: bytes) -> None:
        """Send a message between the answers, unless the peer has gone or is being sent away."""
        if self._drained is None and not self._transport.is_closing():
            self._out.append(mllp.encode(message))
            self._flush()

    def reply(self, cell: list[bytes | None], answer: bytes | None) -> None:
        """Take the answer to one frame; it is sent when those of the frames before it are there."""
        if answer is None:
            self._transport.abort()
            return
        cell[0] = mllp.encode(answer) if answer else b""
        slots, out = self._slots, self._out
        while slots and slots[0][0] is not None:
            settled = slots.popleft()[0] or b""
            out.append(settled)
            self._unsent += len(settled)
        if not slots and not self._handing:
            self._flush()
        elif out and not self._flushing:
            # More answers of this connection may be ready within this turn of the loop: send them together.
            self._flushing = True
            self._loop.call_soon(self._flush)
        if self._backlog and not self._handing:
            self._hand_over()
        elif self._paused:
            self._balance()

    def _flush(self) -> None:
        self._flushing = False
        if self._out:
            data = b"".join(self._out) if len(self._out) > 1 else self._out[0]
            self._out.clear()
            self._unsent = 0
            if data and not self._transport.is_closing():
                self._transport.write(data)
        self._settle()

    def _settle(self) -> None:
        """Finish a connection that owes nothing more and will not be read again."""
        if self._slots or self._out or self._backlog:
            return
        if self._ended:
            self._transport.close()
        elif self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
            if self._transport.can_write_eof():
                self._transport.write_eof()
            else:
                self._transport.close()

    def _balance(self) -> None:
        """Read the socket exactly while there is room for what may come."""
        limit = self._server.limits.in_flight
        full = self._stuck or bool(self._backlog) or len(self._slots) >= limit
        full = full and self._drained is None
        if full and not self._paused:
            self._paused = True
            if not self._transport.is_closing():
                self._transport.pause_reading()
        elif self._paused and not full and len(self._slots) <= limit // 2:
            self._paused = False
            if self._begun:
                # The time during which we did not read is not the sender's.
                self._begun = self._loop.time()
            if not self._transport.is_closing():
                self._transport.resume_reading()
