"""A billing vendor's program: reads the feed with the shipped client, and keeps its cursor in a file.

    python -m gateway_demo.simulator_billing URL FOLDER

Its key comes from the environment. Every change becomes a line ``life record version``, so that what came twice or not
at all can be counted after the program was killed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from msgspec import Struct

from gateway.client import Client

KEY_VARIABLE = "GATEWAY_DEMO_BILLING"
TYPES = ("Claim", "Remittance", "ClaimPayment", "Settlement", "Denial", "Authorization", "Benefit")
CURSOR, BOOKED = "cursor", "booked"
ENOUGH = 20
"""Changes after which the first life ends."""
_WAIT = 1.0


def read_on(url: str, folder: Path, key: str) -> None:
    """Book changes for ever, from the kept cursor on."""
    saved = (folder / CURSOR).read_text("ascii") if (folder / CURSOR).exists() else ""
    life = 2 if saved else 1
    feed = Client(url, key, patience=20.0).changes(after=saved, types=TYPES, wait=_WAIT)
    with (folder / BOOKED).open("a", encoding="ascii", buffering=1) as book:
        for change in feed:
            if feed.cursor != saved:
                saved = feed.cursor
                part = folder / f"{CURSOR}.part"
                part.write_text(saved, encoding="ascii")
                part.replace(folder / CURSOR)
            book.write(f"{life} {change.id} {change.version}\n")


class Vendor(Struct, kw_only=True):
    """The program's process, and what it booked."""

    folder: Path
    url: str
    key: str
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """A life begins."""
        self.folder.mkdir(exist_ok=True)
        command = (sys.executable, "-m", "gateway_demo.simulator_billing", self.url, str(self.folder))
        self.process = await asyncio.create_subprocess_exec(*command, env=os.environ | {KEY_VARIABLE: self.key})

    async def kill(self) -> None:
        """A life ends without a word."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def crash(self) -> None:
        """Live until enough is booked and a cursor kept, die in the middle of the work, and live again."""
        await self.start()
        while len(self.booked(1)) < ENOUGH or not (self.folder / CURSOR).exists():  # noqa: ASYNC110 - a file sends no event
            await asyncio.sleep(0.1)
        await self.kill()
        await self.start()

    def booked(self, *lives: int) -> list[tuple[str, int]]:
        """Records and versions that were booked in some of its lives."""
        path = self.folder / BOOKED
        rows = [line.split() for line in path.read_text("ascii").splitlines()] if path.exists() else []
        return [(row[1], int(row[2])) for row in rows if len(row) == 3 and int(row[0]) in lives]


if __name__ == "__main__":
    read_on(sys.argv[1], Path(sys.argv[2]), os.environ[KEY_VARIABLE])
