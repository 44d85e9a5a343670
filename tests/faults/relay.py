"""A network between a gateway and its database that can be split."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

from sqlalchemy import make_url

from tests.faults.beside import Beside

PIECE = 65536


class Relay:
    """A port of this machine that leads to a server's socket, for as long as the block.

    Args:
        beside: the loop that it runs on.
        url: the database, on a server that listens on a socket of the file system.
    """

    def __init__(self, beside: Beside, url: str) -> None:
        self._beside = beside
        self._target = make_url(url)
        self._open: set[asyncio.StreamWriter] = set()
        self._split = False

    def __enter__(self) -> Self:
        self._server = self._beside.run(asyncio.start_server(self._lead, "127.0.0.1", 0))
        return self

    def __exit__(self, *error: object) -> None:
        self.split()
        self._beside.call(self._server.close)

    @property
    def url(self) -> str:
        """The same database, by way of this port."""
        port = self._server.sockets[0].getsockname()[1]
        return f"postgresql+psycopg://{self._target.username}@127.0.0.1:{port}/{self._target.database}"

    def split(self) -> None:
        """End every connection at once; new ones lead nowhere until :meth:`mend`."""

        def ended() -> None:
            self._split = True
            for writer in self._open:
                writer.transport.abort()

        self._beside.call(ended)

    def mend(self) -> None:
        """Let new connections through."""
        self._split = False

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._split:
            writer.transport.abort()
            return
        path = f"{self._target.query['host']}/.s.PGSQL.{self._target.port or 5432}"
        there, back = await asyncio.open_unix_connection(path)
        if self._split:  # meanwhile: a connection that outlived the split would reach the store all through it
            writer.transport.abort()
            back.transport.abort()
            return
        both = {writer, back}
        self._open |= both
        ways = [asyncio.ensure_future(_carry(reader, back)), asyncio.ensure_future(_carry(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open -= both
            for one in both:
                one.transport.abort()
            await asyncio.gather(*ways)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
