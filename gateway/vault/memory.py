"""Keys in memory stay there: no core dump may write them to a disk, and no other process of the user may read them."""

from __future__ import annotations

import ctypes
import resource
import sys

PR_SET_DUMPABLE = 4


def guard_memory() -> None:
    """Turn core dumps off, and on Linux reading by a debugger of the same user too (prctl(2))."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
