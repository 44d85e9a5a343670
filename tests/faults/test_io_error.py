"""Syncs that fail now and then with EIO: no acknowledgement rests on a failed one, and nothing acknowledged is lost.

After a failed sync the kernel takes the pages for clean, so the disk of these tests forgets what they held: a build
that simply synced again would lose it. That the judgement can fail is shown by test_order_of_syncs and test_power_cut.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.deployment import SECRET
from tests.faults.power import cuts, judge, record
from tests.faults.recording import told_too_early

EVERY_NOW_AND_THEN = "inject=fdatasync,fsync:error=EIO:when=60+40"
"""Counted per thread: the writer of the store meets it again and again, and no start needs as many."""


@pytest.mark.timeout(600)
def test_no_acknowledgement_rests_on_a_failed_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After EIO the store is checked and written again before anything is acknowledged, and a cut loses nothing."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    folder = tmp_path / "run"
    folder.mkdir()
    recorded = record(folder, 400, inject=("-e", EVERY_NOW_AND_THEN))
    failed = [event.path for event in recorded.events if event.kind == "sync" and event.ended and event.failed]
    if not failed:
        pytest.skip("strace cannot make system calls fail here")
    early, told = told_too_early(recorded.events, "gateway.db-wal")
    assert any(path.endswith("gateway.db-wal") for path in failed)
    assert (early, told >= 400) == ([], True)
    log = (folder / "serve.log").read_text("utf-8")
    assert 0 <= log.find("store-unavailable") < log.find("store-reopened")
    found = [f for cut, acknowledged in cuts(recorded, 12, tmp_path / "cuts", 8) for f in judge(cut, acknowledged)]
    assert found == []
