"""What a budget has spent, kept in a small file, so that a crash does not make the next process spend it again.

A peer counts on while we are dead: whoever began with an empty count after a crash would ask up to twice what is
allowed. Each request has a place in the file and leaves the time there when it begins and when it ends. The file is
not synced: it outlives the process, and a machine that lost power is away for longer than a budget's window.
"""

from __future__ import annotations

import heapq
import os
import struct
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_WIDTH = struct.calcsize("d")


class Spent:
    """The file of one budget. Times in it are seconds since 1970, those of requests on their way are negative.

    Args:
        path: the file; made when it is not there, and its folder too.
        requests: the most that count at one time.
        wall: seconds since 1970.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, requests: int, *, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = (1 + requests) * _WIDTH
        found = array("d", os.pread(self._file, size, 0).ljust(size, b"\0"))
        self._until, now = found[0], wall()
        # One that was on its way when the process died may have reached the peer until now.
        self._times = [now if at < 0 else min(at, now) for at in found[1:]]
        self._free = [(at, place) for place, at in enumerate(self._times)]
        heapq.heapify(self._free)

    def ages(self) -> list[float]:
        """Seconds since each request ended that is remembered, the oldest first."""
        now = self._wall()
        return sorted((now - at for at in self._times if at), reverse=True)

    def rests(self) -> float:
        """Seconds for which the peer has told us to ask nothing; 0 or less when it has not."""
        return self._until - self._wall()

    def rest(self, seconds: float) -> None:
        """The peer has told us to ask nothing for so long."""
        self._write(0, self._wall() + seconds)

    def begin(self) -> int:
        """A request begins; its place."""
        _, place = heapq.heappop(self._free)
        self._write(1 + place, -self._wall())
        return place

    def end(self, place: int) -> None:
        """It has ended."""
        now = self._wall()
        heapq.heappush(self._free, (now, place))
        self._write(1 + place, now)

    def close(self) -> None:
        """Let go of the file; what it says stays."""
        os.close(self._file)
        self._file = -1

    def _write(self, place: int, at: float) -> None:
        with suppress(OSError):  # a full disk costs the memory of a crash, never a request
            os.pwrite(self._file, struct.pack("d", at), place * _WIDTH)
