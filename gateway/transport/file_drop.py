"""A folder that files are dropped into: each is taken once it is whole, and moved away once it is stored.

A file counts as whole when its size and time stood still between two looks; names that mark an upload in progress are
left alone. After its messages are committed it moves to ``archive/``; when it cannot be read it moves to ``failed/``
beside a note that says why in the gateway's words. A crash between commit and move brings the file in again, where its
messages are recognised as repeats.
"""

from __future__ import annotations

import asyncio
import errno
import fnmatch
import os
import stat
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from gateway.errors import InvalidConfiguration, RejectMessage, RetryLater
from gateway.model.exchange import Finding, Intake, Item

CHUNK = 64 * 1024
STEP = 1024 * 1024
"""Bytes of messages committed together."""
PARTIAL = (".*", "*.part", "*.tmp", "*.filepart", "*.crdownload", "~*")
"""Names that uploaders use while a file is not whole."""
_MOST = 1000
"""Messages committed together, however small they are."""
_PAUSE = 0.5
ARCHIVE, FAILED = "archive", "failed"
REASON = ".reason.txt"
"""What the name of a note ends in."""

_log = structlog.get_logger(__name__)


class _Look(NamedTuple):
    size: int
    mtime_ns: int


class FileDrop:
    """Watches one folder.

    Args:
        folder: where files are dropped; it and its ``archive`` and ``failed`` folders are made when missing, for
            their owner alone.
        patterns: names to take, as in ``*.hl7``, whatever their case.
        handle: stores one file; returns after its commit. ``RejectMessage`` fails the file, ``RetryLater`` leaves it
            for a later look, anything else ends :meth:`run`.
        poll: seconds between two looks; a file is taken at the second look that finds it unchanged.
    """

    def __init__(
        self, folder: Path, patterns: Sequence[str], handle: Callable[[Path], Awaitable[None]], *, poll: float = 2.0
    ) -> None:
        self._folder = folder
        self._patterns = tuple(pattern.lower() for pattern in patterns)
        self._handle = handle
        self._poll = poll
        self._seen: dict[str, _Look] = {}

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            InvalidConfiguration: the folder cannot be made, read or written.
        """
        await asyncio.to_thread(self._prepare)
        while True:
            pause = self._poll
            for path in await asyncio.to_thread(self._ready):
                pause = max(pause, await self._take(path))
            await asyncio.sleep(pause)

    async def _take(self, path: Path) -> float:
        """Handle one file; returns the seconds to wait when it must come again."""
        try:
            await self._handle(path)
        except RejectMessage as error:
            _log.warning("file-failed", error=error.code, reason=error.reason)
            note = f"{error.code}: {error.reason}\n{error}\n"
            await asyncio.to_thread(self._move, path, FAILED, note)
        except RetryLater as error:
            _log.warning("file-postponed", error=error.code)
            return error.after or 0.0
        else:
            await asyncio.to_thread(self._move, path, ARCHIVE, None)
        return 0.0

    def _prepare(self) -> None:
        try:
            for folder in (self._folder, self._folder / ARCHIVE, self._folder / FAILED):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise InvalidConfiguration(
                f"The drop folder cannot be made: {error.strerror}.",
                where="folder",
                fix="Choose a folder that the gateway may write.",
            ) from error

    def _ready(self) -> list[Path]:
        """Files that did not change since the last look, the oldest first."""
        now: dict[str, _Look] = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if self._wanted(entry.name) and entry.is_file(follow_symlinks=False):
                        found = entry.stat(follow_symlinks=False)
                        now[entry.name] = _Look(found.st_size, found.st_mtime_ns)
        except FileNotFoundError:
            now.clear()  # a file or the folder vanished during the look: the next look says
        except OSError as error:
            raise InvalidConfiguration(
                f"The drop folder cannot be read: {error.strerror}.",
                where="folder",
                fix="Give the gateway the right to read it.",
            ) from error
        still = sorted((look.mtime_ns, name) for name, look in now.items() if self._seen.get(name) == look)
        self._seen = now
        return [self._folder / name for _, name in still]

    def _wanted(self, name: str) -> bool:
        lower = name.lower()
        if any(fnmatch.fnmatchcase(lower, pattern) for pattern in PARTIAL):
            return False
        return any(fnmatch.fnmatchcase(lower, pattern) for pattern in self._patterns)

    def _move(self, path: Path, folder: str, note: str | None) -> None:
        """Put a file away. Whoever drops files may have put links in its way: none is followed."""
        try:
            inside = os.open(self._folder / folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise InvalidConfiguration(
                f"A folder inside the drop folder is no folder of its own: {error.strerror}.",
                where=f"folder/{folder}",
                fix="Take away what stands there, a link say; the folder is made anew at the next start.",
            ) from error
        try:
            name = _free(inside, path.name)
            if note is not None:
                made = os.open(
                    f"{name}{REASON}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=inside
                )
                with os.fdopen(made, "w", encoding="utf-8") as file:
                    file.write(note)
            os.rename(path, name, dst_dir_fd=inside)
        finally:
            os.close(inside)
        self._seen.pop(path.name, None)


def dropped(path: Path) -> Iterator[bytes]:
    """The bytes of a file that somebody dropped, in pieces of 64 KiB.

    Raises:
        RejectMessage: it is no file any more: a link or a pipe took its place after the look that found it.
    """
    try:
        # Nothing is followed, and a pipe that nobody writes to is no reason to wait.
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise _no_file() from None
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise _no_file()
        while chunk := file.read(CHUNK):
            yield chunk


def _no_file() -> RejectMessage:
    return RejectMessage("not-a-file", "What was dropped is a link or a pipe, and no file", fix="Drop the file itself.")


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, in pieces of 64 KiB."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


async def hand_in(intake: Intake, parts: Iterator[Item | Finding]) -> tuple[int, int]:
    """Store what was cut from a file in steps of about :data:`STEP` bytes, cutting in a thread.

    Returns:
        How many messages and how many findings were stored.
    """
    messages = findings = 0
    while step := await asyncio.to_thread(_step, parts):
        items = [part for part in step if isinstance(part, Item)]
        found = [part for part in step if isinstance(part, Finding)]
        await _accept(intake, items, found)
        messages += len(items)
        findings += len(found)
    return messages, findings


async def _accept(intake: Intake, items: list[Item], findings: list[Finding]) -> None:
    """Commit one step; while the store cannot, the file waits where it is instead of beginning anew."""
    while True:
        try:
            await intake.accept(items, findings=findings)
        except RetryLater as error:
            _log.warning("file-waits", error=error.code)
            await asyncio.sleep(error.after or _PAUSE)
        else:
            return


def _step(parts: Iterator[Item | Finding]) -> list[Item | Finding]:
    step: list[Item | Finding] = []
    size = 0
    for part in parts:
        step.append(part)
        size += len(part.body)
        if size >= STEP or len(step) >= _MOST:
            break
    return step


def _free(folder: int, name: str) -> str:
    """A name that neither a file nor a note has in an open folder, numbered when it must be."""
    stem, suffix = Path(name).stem, Path(name).suffix
    number, free = 1, name
    while _stands(folder, free) or _stands(folder, f"{free}{REASON}"):
        number += 1
        free = f"{stem}.{number}{suffix}"
    return free


def _stands(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
