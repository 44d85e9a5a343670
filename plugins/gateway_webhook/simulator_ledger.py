"""What the simulated receiver remembers: a file that is synced before an answer goes out."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request that was acted on or recognised as a repeat."""

    id: str
    digest: str
    type: str
    record: str = ""
    version: int = 0
    repeat: bool = False


class Ledger:
    """Append-only lines, synced in groups."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b")
        self._file.seek(0)
        whole, _, _ = self._file.read().rpartition(b"\n")
        self.lines = [msgspec.json.decode(line, type=Line) for line in whole.splitlines()]
        self._file.truncate(len(whole) + 1 if whole else 0)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._flush: asyncio.Task[None] | None = None

    async def add(self, line: Line) -> None:
        """Keep one line; returns when it is on disk."""
        self.lines.append(line)
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((msgspec.json.encode(line) + b"\n", done))
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._write())
        await asyncio.shield(done)

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._sync, b"".join(line for line, _ in group))
            except OSError as error:
                for _, done in group:
                    done.set_exception(error)
            else:
                for _, done in group:
                    done.set_result(None)

    def _sync(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
