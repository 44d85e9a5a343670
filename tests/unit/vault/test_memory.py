"""Keys in memory are in no core dump."""

from __future__ import annotations

import subprocess
import sys


def test_core_dumps_are_off() -> None:
    """In a guarded process the limit for core files is nothing, and the kernel says that it is not dumpable."""
    program = (
        "import ctypes, resource\n"
        "from gateway.vault.memory import guard_memory\n"
        "guard_memory()\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.split() == ["0", "0"]
