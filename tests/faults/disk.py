"""A disk that forgets what was not synced: files rebuilt as a power cut may leave them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.recording import Event

SECTOR = 512
"""What a disk writes whole or not at all."""
FORGOTTEN = ("-shm",)
"""Memory that SQLite shares between connections through a file; it means nothing after a restart."""


@dataclass
class _Change:
    """A write (or, without data, a new length) that no sync covers yet."""

    offset: int
    data: bytes | None
    ended: bool = False


@dataclass
class _File:
    kept: bytearray = field(default_factory=bytearray)
    pending: list[_Change] = field(default_factory=list)

    def length(self) -> int:
        size = len(self.kept)
        for change in self.pending:
            size = change.offset if change.data is None else max(size, change.offset + len(change.data))
        return size

    def after_kill(self) -> bytes:
        """The content with every write."""
        image = bytearray(self.kept)
        for change in self.pending:
            _apply(image, change)
        return bytes(image)

    def after_cut(self, rnd: random.Random) -> bytes:
        """The content that a cut leaves: each unsynced write is there, is not, or is there in parts."""
        image = bytearray(self.kept)
        fate = rnd.choice(("none", "all", "some", "torn", "torn"))
        for change in self.pending:
            if fate == "none" or (fate == "some" and rnd.random() < 0.5):
                continue
            if change.data is None or fate != "torn":
                _apply(image, change)
                continue
            for begin, end in _sectors(change.offset, len(change.data)):
                if rnd.random() < 0.5:
                    part = change.data[begin - change.offset : end - change.offset]
                    _apply(image, _Change(begin, part))
        return bytes(image)


def _sectors(offset: int, length: int) -> Iterable[tuple[int, int]]:
    begin = offset
    while begin < offset + length:
        end = min(begin // SECTOR * SECTOR + SECTOR, offset + length)
        yield begin, end
        begin = end


def _apply(image: bytearray, change: _Change) -> None:
    if change.data is None:
        del image[change.offset :]
        image.extend(bytes(change.offset - len(image)))
        return
    image.extend(bytes(max(0, change.offset - len(image))))
    image[change.offset : change.offset + len(change.data)] = change.data


class Disk:
    """The files under one folder as they are, and as they would be after a cut.

    A sync keeps what was written to the file before it began. Making, renaming and removing names is kept by a sync of
    their folder; until then a cut keeps the first few of a folder's changes and forgets the rest. After a failed sync
    the kernel takes the pages for clean: what they held is kept by no later sync.
    """

    def __init__(self, folder: Path) -> None:
        """Begin with what is there now, taken for synced."""
        self._folder = folder
        self._names: dict[str, _File] = {}
        for path in folder.rglob("*"):
            if path.is_file():
                self._names[str(path)] = _File(bytearray(path.read_bytes()))
        self._kept_names = dict(self._names)
        self._name_changes: dict[str, list[dict[str, _File | None]]] = {}
        self._writing: dict[tuple[int, str], _Change] = {}
        self._syncing: dict[int, tuple[_File | None, list[_Change], int]] = {}

    def follow(self, event: Event) -> None:
        """Let one recorded call have its effect."""
        if event.path.endswith(FORGOTTEN):
            return
        if event.kind in ("write", "truncate"):
            self._written(event)
        elif event.kind == "sync":
            self._synced(event)
        elif event.ended and not event.failed:
            self._named(event)

    def _written(self, event: Event) -> None:
        if not event.ended:
            file = self._names.setdefault(event.path, _File())
            data = event.data if event.kind == "write" else None
            change = _Change(file.length() if event.offset < 0 else event.offset, data)
            file.pending.append(change)
            self._writing[event.number, event.path] = change
        else:
            change = self._writing.pop((event.number, event.path))
            change.ended = True
            if event.failed:
                change.data = b""

    def _synced(self, event: Event) -> None:
        if not event.ended:
            file = self._names.get(event.path)
            covered = [change for change in file.pending if change.ended] if file else []
            self._syncing[event.number] = (file, covered, len(self._name_changes.get(event.path, ())))
            return
        file, covered, names = self._syncing.pop(event.number)
        if file is None:
            if not event.failed:
                for change in self._name_changes.get(event.path, [])[:names]:
                    _rename(self._kept_names, change)
                del self._name_changes.get(event.path, [])[:names]
            return
        for one in covered:
            if not event.failed:
                _apply(file.kept, one)
        done = set(map(id, covered))
        file.pending = [one for one in file.pending if id(one) not in done]

    def _named(self, event: Event) -> None:
        folder = str(Path(event.path).parent)
        change: dict[str, _File | None]
        if event.kind == "create":
            file = self._names.get(event.path)
            if file is not None:
                if event.offset:
                    file.pending.append(_Change(0, None, ended=True))
                return
            change = {event.path: _File()}
        elif event.kind == "rename":
            change = {event.path: None, event.to: self._names[event.path]}
        elif event.kind == "unlink":
            change = {event.path: None}
        else:
            return
        _rename(self._names, change)
        self._name_changes.setdefault(folder, []).append(change)

    def cut(self, rnd: random.Random, target: Path) -> None:
        """Write the files as a cut of the power now may leave them, under ``target``."""
        names = dict(self._kept_names)
        for changes in self._name_changes.values():
            for change in changes[: rnd.randint(0, len(changes))]:
                _rename(names, change)
        self._write(target, {name: file.after_cut(rnd) for name, file in names.items()})

    def kill(self, target: Path) -> None:
        """Write the files as SIGKILL now leaves them: whatever was written is the kernel's, synced or not."""
        self._write(target, {name: file.after_kill() for name, file in self._names.items()})

    def _write(self, target: Path, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            path = target / Path(name).relative_to(self._folder)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(content)
            path.chmod(0o600)


def _rename(names: dict[str, _File], change: dict[str, _File | None]) -> None:
    for name, file in change.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file
