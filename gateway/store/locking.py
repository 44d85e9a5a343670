"""One serving process per data folder."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from gateway.errors import InvalidConfiguration


def take_lock(folder: Path) -> IO[str]:
    """Be the only serving process of this data folder; ``InvalidConfiguration`` when another one is."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (folder / "gateway.lock").open("w", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise InvalidConfiguration(
            "Another gateway serves this data folder",
            where="data.directory",
            fix="Stop it first, or use another folder.",
        ) from None
    return lock
