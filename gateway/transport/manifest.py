"""A manifest of finished files: append-only lines that are synced after the files they name, and survive any crash."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway.errors import InvalidConfiguration
from gateway.transport.locked_lines import LockedLines
from gateway.transport.whole_file import sync_folder

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
        self._lines = LockedLines(path)
        try:
            self._recover()
        except BaseException:
            self._lines.close()
            raise

    def _recover(self) -> None:
        """Read the newest lines and cut off what a crash left torn."""
        start = max(0, self._lines.size - _TAIL)
        tail = self._lines.read(start)
        at = tail.find(b"\n") + 1 if start else 0
        while at < len(tail):
            end = tail.find(b"\n", at)
            try:
                entry = msgspec.json.decode(tail[at : end if end >= 0 else len(tail)], type=Entry)
            except msgspec.DecodeError:
                entry = None
            if entry is None or end < 0:
                break
            self._remember(entry)
            at = end + 1
        self._lines.cut(start + at)

    def _remember(self, entry: Entry) -> None:
        self._recent.pop(entry.file, None)
        self._recent[entry.file] = entry.sha256
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]

    def settle(self) -> None:
        """Cut off what a failed append may have left: only synced lines count."""
        self._lines.settle()

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
        self._lines.append(b"".join(map(_line, entries)))
        for entry in entries:
            self._remember(entry)

    def close(self) -> None:
        """Give up the lock; any later use is an ``OSError``."""
        self._lines.close()


def take_folder(folder: Path, place: str) -> Manifest:
    """Make a folder when it is missing, and take its manifest for one route alone; ``place`` is the setting.

    Raises:
        InvalidConfiguration: another route or process has it, or it cannot be written.
    """
    with taking(folder, place):
        return Manifest(folder / MANIFEST)


@contextmanager
def taking(folder: Path, place: str) -> Iterator[None]:
    """Around the opening of a folder's list: makes the folder, makes both names last, and tells what went wrong.

    Raises:
        InvalidConfiguration: as for :func:`take_folder`.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield
        sync_folder(folder)
        sync_folder(folder.parent)
    except BlockingIOError:
        raise InvalidConfiguration(
            "Another route or process writes to this folder", where=place, fix="Give each route its own folder."
        ) from None
    except OSError as error:
        raise InvalidConfiguration(
            f"The folder cannot be written ({disk_word(error)})", where=place, fix="Check its path and permissions."
        ) from None


def _line(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"


def disk_word(error: OSError) -> str:
    """A stable word for what the disk said."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "disk-full"
    return f"disk-{errno.errorcode.get(error.errno or 0, 'error').lower()}"
