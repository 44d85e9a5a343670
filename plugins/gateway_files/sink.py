"""The folder: files written whole or not at all, and a manifest that survives a crash at any point."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.errors import InvalidConfiguration
from gateway.model.exchange import Delivered, Delivery, Dispatch, Outcome, Retry
from gateway.transport.row_files import files_of
from gateway.transport.whole_file import sync_folder, write_all, write_whole
from gateway_files.config import FilesConfig

MANIFEST = "manifest.ndjson"

_RECENT = 10_000  # files kept in mind; an older repeat is recognised by the file, then looked up in the manifest
_TAIL = 512 * 1024  # bytes of the manifest read at start: far more than one dispatch can leave torn


class Entry(msgspec.Struct, frozen=True):
    """One line of the manifest: a file that is complete and on disk."""

    file: str
    dispatch: str
    rows: int
    bytes: int
    sha256: str


class Manifest:
    """The append-only list of finished files. One writer at a time, guarded by a lock on the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._recent: dict[str, str] = {}
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._size = self._recover()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _recover(self) -> int:
        """Read the newest lines, cut off what a crash left torn, and say how long the manifest is."""
        size = os.fstat(self._descriptor).st_size
        start = max(0, size - _TAIL)
        tail = os.pread(self._descriptor, size - start, start)
        at = tail.find(b"\n") + 1 if start else 0
        while at < len(tail):
            end = tail.find(b"\n", at)
            try:
                entry = msgspec.json.decode(tail[at : end if end >= 0 else len(tail)], type=Entry)
            except msgspec.DecodeError:
                entry = None
            if entry is None or end < 0:
                os.ftruncate(self._descriptor, start + at)
                break
            self._remember(entry)
            at = end + 1
        os.fsync(self._descriptor)  # a killed process may have left whole lines that no sync has made last
        return start + at

    def _remember(self, entry: Entry) -> None:
        self._recent.pop(entry.file, None)
        self._recent[entry.file] = entry.sha256
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]

    def settle(self) -> None:
        """Cut off what a failed append may have left: only synced lines count."""
        if os.fstat(self._descriptor).st_size != self._size:
            os.ftruncate(self._descriptor, self._size)

    def has(self, entry: Entry) -> bool:
        """Whether this file, with these very bytes, is listed."""
        if entry.file in self._recent:
            return self._recent[entry.file] == entry.sha256
        if not (self._path.parent / entry.file).exists():
            return False
        wanted = _line(entry)
        with self._path.open("rb") as lines:
            return any(line == wanted for line in lines)

    def append(self, entries: Sequence[Entry]) -> None:
        """Add lines and sync them."""
        lines = b"".join(map(_line, entries))
        write_all(self._descriptor, lines)
        os.fsync(self._descriptor)
        self._size += len(lines)
        for entry in entries:
            self._remember(entry)

    def close(self) -> None:
        """Give up the lock; any later use is an ``OSError``."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class FolderSink:
    """One route's folder."""

    def __init__(self, route: str, config: FilesConfig) -> None:
        self._config = config
        self._folder = config.folder
        self._turn = threading.Lock()  # held by the writing thread, so that a cancelled caller does not free it
        place = f"routes.{route}.folder"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._manifest = Manifest(self._folder / MANIFEST)
            sync_folder(self._folder)
            sync_folder(self._folder.parent)
        except BlockingIOError:
            raise InvalidConfiguration(
                "Another route or process writes to this folder", where=place, fix="Give each route its own folder."
            ) from None
        except OSError as error:
            raise InvalidConfiguration(
                f"The folder cannot be written ({_reason(error)})", where=place, fix="Check its path and permissions."
            ) from None

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Write the files of a dispatch; all of it happens, or all of it is to be tried again."""
        try:
            receipts = await asyncio.to_thread(self._write, dispatch)
        except OSError as error:
            return [Retry(_reason(error))] * len(dispatch.deliveries)
        return [Delivered(receipts[delivery.type]) for delivery in dispatch.deliveries]

    def _write(self, dispatch: Dispatch) -> dict[str, str]:
        """Files first, each synced and then named, then their lines in the manifest; gives a receipt per type."""
        receipts: dict[str, str] = {}
        fresh: list[Entry] = []
        with self._turn:
            self._manifest.settle()
            for type_name, file in files_of(dispatch, self._config.formats, self._config.columns):
                receipts.setdefault(type_name, file.receipt)
                entry = Entry(file.name, dispatch.id, file.rows, len(file.body), file.sha256)
                if not self._manifest.has(entry):
                    write_whole(self._folder / file.name, file.body)
                    fresh.append(entry)
            if fresh:
                sync_folder(self._folder)
                self._manifest.append(fresh)
        return receipts

    async def probe(self, delivery: Delivery) -> Outcome:  # noqa: ARG002  # the contract's signature
        """A file is there or not, so nothing is ever ambiguous: writing again settles it."""
        return Retry("written-again")

    async def close(self) -> None:
        """Let the folder go, after a dispatch that is being written."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._turn:
            self._manifest.close()


def _line(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"


def _reason(error: OSError) -> str:
    """A stable word for what the disk said."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "disk-full"
    return f"disk-{errno.errorcode.get(error.errno or 0, 'error').lower()}"
