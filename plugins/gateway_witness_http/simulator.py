"""The other side is a program of its own: ``gateway witness``. This starts it, for tests and for trying things out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

START_SECONDS = 15.0


@asynccontextmanager
async def running(file: Path, keys: Sequence[str], *options: str) -> AsyncIterator[str]:
    """A witness process on a free port of this machine; gives its URL and ends it afterwards."""
    words = [word for key in keys for word in ("--key", key)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "witness", "--file", str(file), "--listen", "127.0.0.1:0", *words, *options,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None  # noqa: S101 - it was asked for just above
        async with asyncio.timeout(START_SECONDS):
            line = (await process.stderr.readline()).decode()
        yield line.partition("listening on ")[2].strip()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
