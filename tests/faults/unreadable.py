"""``python unreadable.py OFFSET PROGRAM ...``: run a program to which no read of a page at this offset is answered.

The kernel itself refuses the call with EIO, by a filter over its number and its arguments (seccomp(2)): strace chooses
calls by their count, and which call reads a page is another each time. It holds for this process and all it starts.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import subprocess
import sys

PREAD64 = {"x86_64": 17, "aarch64": 67}
"""Number of the call by machine."""
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_LOAD, _UNLESS_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_NUMBER, _OFFSET = 0, 16 + 3 * 8
"""Where a call's number and its fourth argument stand in what a filter is shown."""


def program(call: int, offset: int) -> bytes:
    """The filter: EIO for the call at this offset, everything else as it is."""
    steps = [
        (_LOAD, 0, 0, _NUMBER), (_UNLESS_EQUAL, 0, 5, call),
        (_LOAD, 0, 0, _OFFSET), (_UNLESS_EQUAL, 0, 3, offset & 0xFFFFFFFF),
        (_LOAD, 0, 0, _OFFSET + 4), (_UNLESS_EQUAL, 0, 1, offset >> 32),
        (_RETURN, 0, 0, _ERROR | errno.EIO), (_RETURN, 0, 0, _ALLOW),
    ]  # fmt: skip
    return b"".join(struct.pack("HBBI", *step) for step in steps)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def refuse(offset: int) -> None:
    """From now on no read at this offset is answered in this process; ``OSError`` where the system has no filters."""
    steps = ctypes.create_string_buffer(made := program(PREAD64[os.uname().machine], offset), len(made))
    wanted = _Program(len(made) // 8, ctypes.addressof(steps))
    library = ctypes.CDLL(None, use_errno=True)
    for call in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SECCOMP, _FILTER, ctypes.byref(wanted), 0, 0)):
        if library.prctl(*call):
            raise OSError(ctypes.get_errno(), "the system does not filter calls")


def is_possible() -> bool:
    """Whether the system filters calls by their arguments."""
    if os.uname().machine not in PREAD64:
        return False
    command = [sys.executable, __file__, str(1 << 40), sys.executable, "-c", ""]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


if __name__ == "__main__":
    refuse(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
