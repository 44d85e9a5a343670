"""Files written whole or not at all, and lines added to a file: what is synced before it counts."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, body: bytes) -> None:
    """Put ``body`` in place of ``path``, readable by its owner alone; a reader sees the old file or the new one.

    The new name is on disk only after :func:`sync_folder`.

    Raises:
        OSError: the disk refused; the old file stands.
    """
    draft = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        write_all(descriptor, body)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(path)


def write_all(descriptor: int, body: bytes) -> None:
    """Write every byte, however many turns the system takes."""
    left = memoryview(body)
    while left:
        left = left[os.write(descriptor, left) :]


def add_line(path: Path, line: str, torn: str = "", *, follow: bool = False) -> None:
    """Add one line at the end of a file that its owner alone may read, and sync it.

    Args:
        path: the file; made where there is none.
        line: without its end.
        torn: what is put behind a line that a crash left without its end, so that half of it passes for nothing.
        follow: whether the file may be a link, to another device say.

    Raises:
        OSError: the disk refused; half a line may stand there.
    """
    link = 0 if follow else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | link, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        half = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        write_all(descriptor, f"{torn}\n{line}\n".encode() if half else f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
