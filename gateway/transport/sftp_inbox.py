"""Watches folders of an SFTP mailbox: each file is taken once it is whole, and dealt with once it is stored.

A file counts as whole when its size and time stood still between two looks, and when they are still the same after it
was read. What was taken is the stream's cursor, so that a file left in place is read once and again only when it
changed. A crash between storing and the cursor brings a file in again, where its messages are recognised as repeats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Literal

import msgspec
import structlog

from gateway.errors import RejectMessage
from gateway.model.exchange import Finding, Intake
from gateway.transport.sftp import RemoteFile, SftpAccount, SftpSession, connected, from_thread

After = Literal["leave", "archive", "delete"]
Handle = Callable[[RemoteFile, Iterator[bytes]], Awaitable[None]]
"""Stores one file; returns after its commit. ``RejectMessage`` refuses the file until it changes."""

_log = structlog.get_logger(__name__)


class _Mark(msgspec.Struct, frozen=True, array_like=True):
    """How a file was when it was taken."""

    size: int
    modified: int
    refused: bool

    def fits(self, file: RemoteFile) -> bool:
        return (self.size, self.modified) == (file.size, file.modified)


_taken = msgspec.json.Decoder(dict[str, _Mark]).decode


class SftpInbox:
    """The files of one folder, as a stream for :class:`~gateway.transport.polling.Poller`.

    Args:
        name: of the stream; its cursor is kept under it.
        account: the mailbox.
        folder: on the server; empty for the one a log-in begins in.
        patterns: names to take, whatever their case.
        handle: stores one file.
        after: what becomes of a stored file; one that was refused stays where it is.
        archive: folder of the server for ``after="archive"``.
        settle: seconds between the two looks that must agree.
    """

    def __init__(
        self, name: str, account: SftpAccount, folder: str, patterns: Sequence[str], handle: Handle, *,
        after: After = "leave", archive: str = "archive", settle: float = 5.0,
    ) -> None:  # fmt: skip
        self.name = name
        self._account = account
        self._folder = folder
        self._patterns = patterns
        self._handle = handle
        self._after = after
        self._archive = archive
        self._settle = settle

    async def poll(self, intake: Intake) -> None:
        """Take every file that is whole and was not taken before, the oldest first."""
        taken = _taken(await intake.cursor(self.name) or "{}")
        async with connected(self._account) as session:
            listed = await session.files(self._folder, self._patterns)
            taken = {file.name: taken[file.name] for file in listed if file.name in taken}
            for file in await self._whole(session, listed, taken):
                mark = taken.get(file.name)
                if mark is None or not mark.fits(file):
                    refusal = await self._take(session, file)
                    mark = taken[file.name] = _Mark(file.size, file.modified, bool(refusal))
                    cursor = msgspec.json.encode(taken).decode()
                    await intake.accept([], stream=self.name, cursor=cursor, findings=refusal)
                if not mark.refused:
                    await self._put_away(session, file)

    async def _whole(self, session: SftpSession, listed: list[RemoteFile], taken: dict[str, _Mark]) -> list[RemoteFile]:
        """The files that a second look finds unchanged; there is none where nothing is new."""
        if all(file.name in taken and taken[file.name].fits(file) for file in listed):
            return listed
        await asyncio.sleep(self._settle)
        still = set(await session.files(self._folder, self._patterns))
        return [file for file in listed if file in still]

    async def _take(self, session: SftpSession, file: RemoteFile) -> tuple[Finding, ...]:
        """Store one file; what is said of it when it was refused."""
        pieces = session.read(file)
        try:
            await self._handle(file, from_thread(pieces, asyncio.get_running_loop()))
        except RejectMessage as error:
            _log.warning("file-refused", error=error.code, reason=error.reason)
            return (Finding(reason=error.reason, what=error.what, where=error.where or self._folder, fix=error.fix),)
        finally:
            with suppress(RuntimeError):  # a cancelled thread may still be waiting for a piece; the connection ends it
                await pieces.aclose()
        return ()

    async def _put_away(self, session: SftpSession, file: RemoteFile) -> None:
        if self._after == "archive":
            await session.archive(file, self._archive)
        elif self._after == "delete":
            await session.remove(file)
