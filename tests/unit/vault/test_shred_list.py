"""The shred list: what was written is there, and a torn line costs nobody else theirs."""

from __future__ import annotations

from pathlib import Path

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
