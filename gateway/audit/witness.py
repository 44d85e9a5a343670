"""A witness outside the database: who cuts or replaces the database's log cannot cut this with the same stroke."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.audit.checkpoint import Checkpoint, notes_in
from gateway.transport.whole_file import write_all

TAIL = 65_536


class FileWitness:
    """Appends every checkpoint of one log to a file and syncs it. Put it on another device or host than the data."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, checkpoint: Checkpoint) -> None:
        """Keep one note. A line that a crash has torn is marked first, so that half a signature passes for none."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            write_all(handle, (" (torn)\n" * torn + checkpoint.note + "\n").encode())
            os.fsync(handle)
        finally:
            os.close(handle)

    def notes(self) -> list[str]:
        """Every whole note, oldest first; none when the file is missing."""
        return self._from(0)

    def last(self) -> str | None:
        """The newest whole note, without reading the whole file."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return None
        notes = self._from(max(0, size - TAIL)) or self._from(0)
        return notes[-1] if notes else None

    def _from(self, offset: int) -> list[str]:
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                return notes_in(file.read().decode("utf-8", errors="replace"))
        except FileNotFoundError:
            return []
