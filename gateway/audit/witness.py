"""A witness outside the database: who cuts or replaces the database's log cannot cut this with the same stroke."""

from __future__ import annotations

from pathlib import Path

from gateway.audit.checkpoint import Checkpoint, notes_in
from gateway.transport.whole_file import add_line

TAIL = 65_536


class FileWitness:
    """Appends every checkpoint of one log to a file and syncs it. Put it on another device or host than the data."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, checkpoint: Checkpoint) -> None:
        """Keep one note. A line that a crash has torn is marked first, so that half a signature passes for none."""
        add_line(self.path, checkpoint.note, torn=" (torn)", follow=True)

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

    def first(self) -> str | None:
        """The oldest whole note, without reading the whole file."""
        notes = self._from(0, TAIL) or self._from(0)
        return notes[0] if notes else None

    def _from(self, offset: int, most: int = -1) -> list[str]:
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                return notes_in(file.read(most).decode("utf-8", errors="replace"))
        except FileNotFoundError:
            return []
