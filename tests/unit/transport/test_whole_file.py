"""A file is the old one or the new one, never half of either."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.transport.whole_file import sync_folder, write_all, write_whole


def test_a_file_is_replaced_as_a_whole_and_private(tmp_path: Path) -> None:
    """The new content is there, readable by its owner alone, and no draft is left."""
    target = tmp_path / "token"
    for body in (b"old", b"new content"):
        write_whole(target, body)
        sync_folder(tmp_path)
        assert target.read_bytes() == body
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["token"]


def test_a_refusing_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When syncing fails, the old content stands."""
    target = tmp_path / "token"
    write_whole(target, b"old")

    def refuse(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output"):
        write_whole(target, b"new")
    assert target.read_bytes() == b"old"


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes three bytes at a time gets them all in the end."""
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: whole(descriptor, bytes(data)[:3]))
    descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    write_all(descriptor, b"0123456789")
    os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"0123456789"
