"""The shred list: what was written is there, and a torn line costs nobody else theirs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gateway.vault.shred_list import ShredList

ONE, TWO = bytes(range(16)), bytes(range(16, 32))


def test_entries_come_back(tmp_path: Path) -> None:
    """Everybody written is read, by whichever object, in a file that nobody else may read."""
    kept = ShredList(tmp_path / "apart" / "list")
    assert kept.entries() == set()
    kept.add("t", ONE)
    kept.add("u", TWO)
    assert ShredList(kept.path).entries() == {("t", ONE), ("u", TWO)}
    assert kept.path.stat().st_mode & 0o077 == 0


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    """After half a line, which names nobody, the next entry stands on a line of its own."""
    kept = ShredList(tmp_path / "list")
    kept.add("t", ONE)
    whole = kept.path.read_bytes()
    kept.path.write_bytes(whole + whole[:20])
    kept.add("t", TWO)
    assert kept.entries() == {("t", ONE), ("t", TWO)}


def test_an_entry_that_the_disk_took_in_part_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle of a line is told, so that no key is destroyed without its entry."""
    kept, real = ShredList(tmp_path / "list"), os.write

    def filling(descriptor: int, body: bytes) -> int:
        if len(body) <= 50:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, body[:-50])

    monkeypatch.setattr(os, "write", filling)
    with pytest.raises(OSError, match="No space"):
        kept.add("t", ONE)
    monkeypatch.undo()
    kept.add("t", TWO)
    assert kept.entries() == {("t", TWO)}
