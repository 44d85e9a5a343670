"""MLLP and the drop folder: the only I/O of this adapter. Nothing is answered before its receipt is there."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog

from gateway.errors import GatewayError, InvalidContent, LimitExceeded, MalformedEnvelope, RejectMessage, RetryLater
from gateway.model.exchange import Intake, Item, Receipt, Transport
from gateway.transport.file_drop import FileDrop, dropped, hand_in
from gateway.transport.mllp import Answer, MllpServer, Reply
from gateway.transport.mllp_limits import Limits
from gateway.wire.hl7_header import AckCode, Header, acknowledge, glance, peek
from gateway_hl7.config import Hl7Config
from gateway_hl7.records import item, items
from gateway_hl7.transport_tls import context, revocation

_PAUSE = 0.1
_APPLICATION = frozenset({b"AL", b"ER", b"SU"})
"""MSH-16: when an application acknowledgement is wanted (HL7 table 0155)."""
Later = Callable[[bytes], None]
_ENHANCED: dict[str, AckCode] = {"AA": "CA", "AE": "CE", "AR": "CR"}

_log = structlog.get_logger(__name__)


def transports(name: str, config: Hl7Config) -> Sequence[Transport]:
    """What is configured of the two ways in."""
    ways: list[Transport] = []
    if config.listen:
        ways.append(Listener(name, config))
    if config.folder is not None:
        ways.append(Folder(config.folder, config))
    return ways


class Listener:
    """One MLLP listener.

    A message waits for a store that cannot commit, and its connection with it; after ``hold_seconds`` the listener
    hangs up, since many senders take a negative answer for a final one and give the message up.
    """

    def __init__(self, name: str, config: Hl7Config) -> None:
        self._name = name
        self._config = config
        self._facilities = frozenset(facility.encode("utf-8") for facility in config.facilities)
        self.server: MllpServer | None = None
        """The listening server, while it runs."""

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Listen until cancelled, then send the answers that are still owed."""
        config = self._config
        revoked = revocation(config.tls)
        exchange = Exchange(config, self._facilities, intake, asyncio.get_running_loop())
        self.server = MllpServer(
            config.host,
            config.port,
            exchange.receive_enhanced if config.acknowledgement == "enhanced" else exchange.receive,
            oversized=exchange.oversized,
            ssl=context(config.tls),
            refusal=None if revoked is None else revoked.refusal,
            plaintext_networks=config.plaintext_networks,
            limits=Limits(
                frame=config.max_message_bytes,
                in_flight=config.max_in_flight,
                connections=config.max_connections,
                idle=config.idle_seconds,
                slow=config.slow_seconds,
            ),
        )
        await self.server.start()
        _log.info("mllp-listening", source=self._name, host=config.host, port=self.server.port)
        opened()
        try:
            if revoked is not None:
                await revoked.watch(self.server.judge_again)
            await asyncio.Event().wait()
        finally:
            await self.server.close()


class _Asked(NamedTuple):
    """One message, and how its sender hears of it."""

    message: Item
    header: Header
    reply: Reply
    later: Later | None


class Exchange:
    """From a frame to its answer."""

    def __init__(
        self, config: Hl7Config, facilities: frozenset[bytes], intake: Intake, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._enhanced = config.acknowledgement == "enhanced"
        self._hold = config.hold_seconds
        self._limit = config.max_message_bytes
        self._facilities = facilities
        self._intake = intake
        self._loop = loop
        self._telling: set[asyncio.Task[None]] = set()

    def receive(self, frame: bytes, reply: Reply, later: Later | None = None) -> None:
        """Store one frame, or refuse it by its header; ``reply`` follows the commit.

        Where MSH-16 asks for it, ``later`` gets the application acknowledgement once the content was read.
        """
        try:
            header = peek(frame)
            if self._facilities:
                self._check_sender(header)
        except MalformedEnvelope as error:
            self._refuse(frame, error, reply)
        else:
            self._submit(_Asked(item(header, frame), header, reply, later), None)

    def receive_enhanced(self, frame: bytes, reply: Answer) -> None:
        """As :meth:`receive`; what becomes of the content is told later, where MSH-16 asks for it."""
        self.receive(frame, reply, reply.later)

    def oversized(self, head: bytes, reply: Reply) -> None:
        """Refuse a frame that is too long."""
        error = LimitExceeded(
            "message-too-large",
            f"The message is longer than {self._limit} bytes.",
            fix="Raise max_message_bytes if such messages are expected.",
        )
        self._refuse(head, error, reply)

    def _check_sender(self, header: Header) -> None:
        encoding = header.field(2)
        facility = header.field(4).split(encoding[:1], 1)[0] if encoding else header.field(4)
        if facility not in self._facilities:
            raise MalformedEnvelope(
                "unknown-sender",
                "The sending facility is not one of this source.",
                where="MSH-4",
                fix="Add it to facilities if it may send here.",
            )

    def _submit(self, asked: _Asked, until: float | None) -> None:
        self._intake.submit(asked.message, partial(self._settled, asked, until))

    def _settled(self, asked: _Asked, until: float | None, result: Receipt | Exception) -> None:
        if isinstance(result, Receipt):
            asked.reply(self._answer(asked.header, "AA", f"A{result.message_id}"))
            if asked.later is not None and asked.header.field(16) in _APPLICATION:
                telling = self._loop.create_task(self._tell(asked.header, asked.later, result))
                self._telling.add(telling)
                telling.add_done_callback(self._telling.discard)
        elif isinstance(result, RetryLater):
            now = self._loop.time()
            until = now + self._hold if until is None else until
            if now >= until:
                _log.warning("mllp-hung-up", error=result.code)
                asked.reply(None)
                return
            self._loop.call_later(result.after or _PAUSE, self._submit, asked, until)
        elif isinstance(result, RejectMessage):
            self._refuse(asked.message.body, result, asked.reply)
        else:
            # A fault of ours: no answer, so that the sender keeps the message.
            _log.error("mllp-hung-up", error=type(result).__name__)
            asked.reply(None)

    async def _tell(self, header: Header, later: Later, receipt: Receipt) -> None:
        """The application acknowledgement: AA for what was read, AE with its place for what waits in quarantine."""
        try:
            fate = await self._intake.fate(receipt)
        except RetryLater:  # the sender asks again, and a repeat is told the same
            return
        wanted = header.field(16)
        error = None
        if fate.outcome == "quarantined":
            error = InvalidContent(fate.reason, "The message waits in quarantine", where=fate.place, fix=fate.fix)
        if wanted in (b"AL", b"SU" if error is None else b"ER"):
            later(acknowledge(header, "AA" if error is None else "AE", f"P{receipt.message_id}", error))

    def _refuse(self, frame: bytes, error: RejectMessage, reply: Reply) -> None:
        header = glance(frame)
        own_id = f"R{zlib.crc32(frame):08x}"
        answer = self._answer(header, "AR", own_id, error)

        def kept(failure: Exception | None) -> None:
            reply(answer if failure is None else None)

        self._intake.refuse(frame, "AR", error.reason, error.where, kept)

    def _answer(self, header: Header, code: AckCode, own_id: str, error: GatewayError | None = None) -> bytes:
        """The acknowledgement, or nothing where none is wanted: an answer is never answered."""
        if header.kind.partition("^")[0] == "ACK":
            return b""
        wanted = header.field(15) if self._enhanced else b""
        if wanted:
            if wanted == b"NE" or (wanted == b"ER" and code == "AA") or (wanted == b"SU" and code != "AA"):
                return b""
            code = _ENHANCED[code]
        return acknowledge(header, code, own_id, error)


class Folder:
    """One drop folder."""

    def __init__(self, folder: Path, config: Hl7Config) -> None:
        self._folder = folder
        self._config = config

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Take files until cancelled."""

        async def take(path: Path) -> None:
            await hand_in(intake, items(dropped(path), self._config.max_message_bytes))

        drop = FileDrop(self._folder, self._config.patterns, take, poll=self._config.poll_seconds)
        opened()
        await drop.run()
