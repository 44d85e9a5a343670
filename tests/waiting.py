"""Waiting for something to come true: as long as it takes on a busy machine, and no longer than it takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds after which a wait fails: so many that only a fault lets them pass."""
LOOK = 0.005
"""Seconds from one look to the next on an event loop."""
LOOK_SELDOM = 0.05
"""The same in a thread, where a look may be a command or a request."""


async def until(condition: Callable[[], object], what: str = "", seconds: float = PATIENCE) -> None:
    """Wait on the event loop; fails with ``what`` when the condition does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what or f"not within {seconds} s"
        await asyncio.sleep(LOOK)


def wait_until(condition: Callable[[], object], what: str = "", seconds: float = PATIENCE) -> None:
    """The same without an event loop."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what or f"not within {seconds} s"
        time.sleep(LOOK_SELDOM)
