"""A mail server on this machine that takes mails and keeps them in memory: enough of SMTP (RFC 5321) to be sent to.

It greets, knows EHLO, MAIL, RCPT, DATA, RSET, NOOP and QUIT, undoes dot-stuffing, and can be told to refuse the next
mails as a server does that is out of order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage


class Mails:
    """What arrived, oldest first."""

    def __init__(self) -> None:
        self.port = 0
        self.kept: list[EmailMessage] = []
        self.refuse = 0
        """How many of the next mails to refuse."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        writer.write(b"220 simulator ESMTP\r\n")
        while line := await reader.readline():
            word = line.split(b":", 1)[0].split()[0].upper() if line.strip() else b""
            if word == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                await self._take(reader)
            elif word == b"MAIL" and self.refuse:
                self.refuse -= 1
                writer.write(b"451 try again later\r\n")
                continue
            elif word not in {b"EHLO", b"HELO", b"MAIL", b"RCPT", b"RSET", b"NOOP"}:
                writer.write(b"500 not known\r\n")
                continue
            writer.write(b"250-simulator\r\n250 8BITMIME\r\n" if word == b"EHLO" else b"250 ok\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def _take(self, reader: asyncio.StreamReader) -> None:
        lines = []
        while (line := await reader.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        found = message_from_bytes(b"".join(lines), policy=policy.default)
        if isinstance(found, EmailMessage):
            self.kept.append(found)


@asynccontextmanager
async def running() -> AsyncIterator[Mails]:
    """A server on a free port of this machine."""
    mails = Mails()
    server = await asyncio.start_server(mails.serve, "127.0.0.1", 0)
    mails.port = server.sockets[0].getsockname()[1]
    async with server:
        yield mails
