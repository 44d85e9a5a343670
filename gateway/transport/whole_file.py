"""Files written whole or not at all: beside the target, synced, then renamed, and the folder synced."""

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


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
