"""The keystore's file: private, synced, and not mistaken for another."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import InvalidConfiguration, StoreIncompatible, StoreUnavailable
from gateway.vault.keyfile import KeyFile, KeyRow


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty keystore."""
    path = tmp_path / "keys" / "keystore.db"
    KeyFile.create(path).close()
    return path


def test_only_the_owner_may_read_it(path: Path) -> None:
    """A new keystore has mode 0600 in a folder of mode 0700."""
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_it_is_never_made_twice(path: Path) -> None:
    """Creating over an existing keystore is refused: it would lose every key."""
    with pytest.raises(InvalidConfiguration):
        KeyFile.create(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_readable_one_is_refused(path: Path, mode: int) -> None:
    """A keystore that others may read does not open."""
    path.chmod(mode)
    with pytest.raises(InvalidConfiguration, match="Others"):
        KeyFile(path)


def test_a_link_or_a_missing_file_is_refused(path: Path, tmp_path: Path) -> None:
    """Only the file itself opens, and a missing one is not quietly made anew."""
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(InvalidConfiguration):
        KeyFile(link)
    with pytest.raises(InvalidConfiguration, match="no keystore"):
        KeyFile(tmp_path / "missing.db")


def test_a_newer_schema_is_refused(path: Path) -> None:
    """A keystore written by a later version is left alone."""
    db = sqlite3.connect(path)
    db.execute("pragma user_version = 99")
    db.close()
    with pytest.raises(StoreIncompatible):
        KeyFile(path)


def test_commits_are_synced_with_their_folder(path: Path) -> None:
    """Rollback journal and synchronous=EXTRA hold on the very connection in use."""
    file = KeyFile(path)
    settings = [file._db.execute(f"pragma {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    file.close()
    assert settings == ["delete", 3]


def test_ids_are_never_used_twice(path: Path) -> None:
    """A failed insert leaves nothing behind, and the id of a destroyed key never comes again."""
    file = KeyFile(path)
    with file.transaction():
        file.insert([KeyRow(file.next_id(), "t", "patient", b"1", b"w", 0)])
    with pytest.raises(StoreUnavailable), file.transaction():
        file.insert([KeyRow(2, "t", "patient", owner, b"w", 0) for owner in (b"2", b"3")])
    with file.transaction():
        file.destroy(1)
        assert file.next_id() == 2
    assert file.rows_of("t", "patient", [b"1", b"2"]) == []
    assert file.shredded() == [1]
    file.close()


def test_a_full_disk_is_told_and_survived(path: Path) -> None:
    """A refused write raises StoreUnavailable and undoes its transaction; the next one works."""
    file = KeyFile(path)
    file._db.execute("pragma max_page_count = 24")
    rows = [KeyRow(i, "t", "patient", str(i).encode(), b"w" * 3000, 0) for i in range(1, 30)]
    with pytest.raises(StoreUnavailable), file.transaction():
        file.insert(rows)
    assert file.row(1) is None
    with file.transaction():
        file.insert(rows[:1])
    assert file.row(1) == rows[0]
    file.close()


def test_a_key_outlives_the_death_of_its_maker(path: Path) -> None:
    """A key whose commit returned is there after the process was killed without any goodbye."""
    program = (
        "import os, pathlib, sys\n"
        "from gateway.vault.keyfile import KeyFile, KeyRow\n"
        "file = KeyFile(pathlib.Path(sys.argv[1]))\n"
        "with file.transaction():\n"
        "    file.insert([KeyRow(1, 't', 'patient', b'1', b'w', 0)])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=False, env={**os.environ, "PYTHONPATH": "."})
    file = KeyFile(path)
    assert file.row(1) is not None
    file.close()


def test_rows_do_not_show_wrapped_keys() -> None:
    """A row in a log or a traceback shows its id and kind only."""
    assert repr(KeyRow(5, "t", "intake", b"owner", b"secret-bytes", 0)) == "<KeyRow 5 intake>"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_commit_returns_after_its_syncs(path: Path, tmp_path: Path) -> None:
    """The file is synced after its last write and the folder after the journal is gone; then the commit returns."""
    program = (
        "import os, pathlib, sys\n"
        "from gateway.vault.keyfile import KeyFile, KeyRow\n"
        "file = KeyFile(pathlib.Path(sys.argv[1]))\n"
        "with file.transaction():\n"
        "    file.insert([KeyRow(1, 't', 'patient', b'1', b'w', 0)])\n"
        "os.write(1, b'returned')\n"
    )
    trace = tmp_path / "trace"
    calls = "trace=write,pwrite64,fsync,fdatasync,unlink,unlinkat"
    command = ["strace", "-f", "-y", "-o", str(trace), "-e", calls, sys.executable, "-c", program, str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.stdout != "returned":
        pytest.skip("strace may not trace here")
    lines = trace.read_text().splitlines()
    lines = lines[: next(i for i, line in enumerate(lines) if '"returned"' in line)]

    def last(*marks: str) -> int:
        return max(i for i, line in enumerate(lines) if all(mark in line for mark in marks))

    written, synced = last("pwrite64", f"{path}>"), last("sync(", f"{path}>")
    removed, folder = last("unlink", f"{path}-journal"), last("sync(", f"{path.parent}>")
    assert written < synced < removed < folder
