"""The careful sender of the simulated practice system: one connection, one message at a time."""

from __future__ import annotations

import asyncio
import contextlib

from gateway.errors import SourceUnavailable
from gateway.wire.hl7 import Message
from gateway.wire.hl7_header import peek
from gateway.wire.hl7_path import compile_path
from gateway.wire.mllp import Decoder, encode

_CODE, _ECHO = compile_path("MSA-1"), compile_path("MSA-2")
_ANSWER_LIMIT = 64 * 1024


class Sender:
    """One connection at a time, opened when needed."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._host = host
        self._port = port
        self._timeout = timeout
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._decoder = Decoder(_ANSWER_LIMIT)
        self._answers: list[bytes] = []

    async def deliver(self, message: bytes, attempts: int) -> str:
        """Send until it is answered; returns the acknowledgement code."""
        control_id = peek(message).control_id
        for attempt in range(attempts):
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._exchange(message, control_id)
            except (OSError, EOFError, TimeoutError):
                await self.hang_up()
                await asyncio.sleep(min(0.1 * 2**attempt, 5.0))
        raise SourceUnavailable(f"No acknowledgement after {attempts} attempts.")

    async def hang_up(self) -> None:
        """Close the connection, whatever state it is in."""
        if self._streams is not None:
            writer = self._streams[1]
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError):  # however it ended, it has ended
                await writer.wait_closed()
        self._decoder = Decoder(_ANSWER_LIMIT)
        self._answers.clear()

    async def _exchange(self, message: bytes, control_id: str) -> str:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(encode(message))
        await writer.drain()
        while True:
            answer = Message(await self._answer(reader))
            if _ECHO(answer) == control_id:
                return str(_CODE(answer))

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        while not self._answers:
            data = await reader.read(_ANSWER_LIMIT)
            if not data:
                raise EOFError
            self._answers += [event for event in self._decoder.feed(data) if isinstance(event, bytes)]
        return self._answers.pop(0)
