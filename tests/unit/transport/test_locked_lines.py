"""Locked lines: one writer, whole lines, and nothing that was not synced."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.transport import locked_lines
from gateway.transport.locked_lines import LockedLines


def test_lines_are_there_after_a_restart_and_a_torn_one_is_not(tmp_path: Path) -> None:
    """Whole lines come back in order; an end that a crash tore is cut off for good."""
    path = tmp_path / "lines"
    lines = LockedLines(path)
    lines.append(b"one\n")
    lines.append(b"two\n")
    lines.close()
    with path.open("ab") as torn:
        torn.write(b"thr")
    again = LockedLines(path)
    assert again.whole() == [b"one", b"two"]
    assert again.read(4) == b"two\n"
    again.close()
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("stuck", [False, True], ids=["cut-at-once", "cut-before-the-next"])
def test_a_failed_append_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stuck: bool) -> None:
    """Half a line of a full disk is gone before the next is added, also when the disk would not let go of it first."""
    lines = LockedLines(tmp_path / "lines")
    lines.append(b"one\n")

    def half(descriptor: int, body: bytes) -> None:
        os.write(descriptor, body[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    def refused(*arguments: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(locked_lines, "write_all", half)
        if stuck:
            broken.setattr(os, "ftruncate", refused)
        with pytest.raises(OSError, match="No space"):
            lines.append(b"two\n")
    lines.append(b"three\n")
    assert lines.read() == b"one\nthree\n"
    lines.close()


def test_one_writer_holds_the_file(tmp_path: Path) -> None:
    """A second one is refused while the first has it; what is closed is not written to."""
    lines = LockedLines(tmp_path / "lines")
    with pytest.raises(BlockingIOError):
        LockedLines(tmp_path / "lines")
    lines.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        lines.append(b"late\n")
    LockedLines(tmp_path / "lines").close()
