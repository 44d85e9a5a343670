"""Lines in a file that one writer at a time holds: each is synced before it counts, and a torn one is cut off."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from gateway.transport.whole_file import write_all


class LockedLines:
    """An append-only file, locked until it is closed; any use after that is an ``OSError``.

    Raises:
        BlockingIOError: another writer holds it.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.size = os.fstat(self._descriptor).st_size
            """Bytes of the lines that count."""
        except BaseException:
            self.close()
            raise

    def read(self, start: int = 0) -> bytes:
        """What stands there from byte ``start`` on."""
        with os.fdopen(self._descriptor, "rb", closefd=False) as file:
            file.seek(start)
            return file.read()

    def whole(self) -> list[bytes]:
        """Every line. A last one without its end is cut off: a crash tore it before anybody was told of it."""
        data = self.read()
        end = data.rfind(b"\n") + 1
        self.cut(end)
        return data[:end].splitlines()

    def cut(self, size: int) -> None:
        """Keep the first ``size`` bytes, and sync them: a killed process may have left lines that no sync made last."""
        if os.fstat(self._descriptor).st_size != size:
            os.ftruncate(self._descriptor, size)
        os.fsync(self._descriptor)
        self.size = size

    def settle(self) -> None:
        """Cut off what a failed append may have left, so that nothing is added to half a line."""
        if os.fstat(self._descriptor).st_size != self.size:
            self.cut(self.size)

    def append(self, lines: bytes) -> None:
        """Add whole lines and sync them; after an ``OSError`` none of them counts."""
        self.settle()
        try:
            write_all(self._descriptor, lines)
            os.fsync(self._descriptor)
        except OSError:
            with suppress(OSError):  # what the disk does not let go of now is cut off before the next line
                self.settle()
            raise
        self.size += len(lines)

    def close(self) -> None:
        """Give up the lock."""
        held, self._descriptor = self._descriptor, -1
        if held >= 0:
            os.close(held)
