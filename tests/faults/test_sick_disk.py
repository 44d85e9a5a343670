"""A disk that refuses writes, becomes read-only, or is slow: the order of syncs and acknowledgements holds throughout.

strace makes the calls of the real process fail or wait. That the judgement can fail is shown by test_order_of_syncs,
and by the builds of `broken.toml`.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import SCALE, SECRET, SENDERS, Deployment, Load
from tests.faults.power import cuts, judge, record
from tests.faults.recording import events, strace, told_too_early
from tests.waiting import wait_until

LOG = "gateway.db-wal"
NOW_AND_THEN = f"inject=pwrite64,ftruncate:error=ENOSPC:when=150+{443 if SCALE >= 1 else 110}"
"""Counted per thread, of the store's and of those that make keys; where in a commit it falls is another each time. What
a dispatch came to is one commit, of two calls a page: from a disk that refuses more often than that it never passes."""
READ_ONLY = "inject=pwrite64,ftruncate,fdatasync,fsync:error=EROFS:when=120+"
"""What the kernel answers once it has mounted a file system anew because of errors."""
FEW = 24
"""Messages for a slow disk."""
DELAY = 500_000 if SCALE >= 1 else 100_000
"""Microseconds of each sync of a slow disk."""


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)


@pytest.mark.timeout(600)
def test_a_write_may_be_refused_anywhere(tmp_path: Path) -> None:
    """With ENOSPC anywhere on the write path all is acknowledged in the end, and nothing before it is synced."""
    folder = tmp_path / "run"
    folder.mkdir()
    recorded = record(folder, max(150, int(1000 * SCALE)), inject=("-e", NOW_AND_THEN))
    refused = [event.path for event in recorded.events if event.kind == "write" and event.ended and event.failed]
    if not refused:
        pytest.skip("strace cannot make system calls fail here")
    early, told = told_too_early(recorded.events, LOG)
    assert any(path.endswith(LOG) for path in refused)
    assert early == []
    assert told >= 150
    some = max(2, int(12 * SCALE))
    found = [f for cut, acknowledged in cuts(recorded, some, tmp_path / "cuts", 9) for f in judge(cut, acknowledged)]
    assert found == []


@pytest.mark.timeout(600)
def test_a_disk_that_became_read_only_gets_no_acknowledgement(tmp_path: Path) -> None:
    """From the first refusal on nothing is acknowledged, the process lives and says why once, and a restart has all."""
    messages = clinic_day(71, patients=40, visits=600)[:600]
    calls = tmp_path / "calls.txt"
    with Deployment(tmp_path, prefix=strace(calls, "-e", READ_ONLY)) as deployment:
        deployment.start()
        load = Load(deployment.port, messages)
        wait_until(lambda: "store-unavailable" in deployment.log(), "the refusal was not noticed")
        load.rested()
        time.sleep(2)
        assert deployment.pid is not None, "the process ended"
        assert deployment.log().count('"event": "store-unavailable"') == 1, "the log repeats itself"
        assert not deployment.healthy()
        deployment.kill()
        early, told = told_too_early(events(calls, tmp_path), LOG)
        assert early == [], "something was acknowledged after the disk refused"
        assert told > 0, "the disk refused before anything was acknowledged"
        deployment.prefix = ()
        deployment.start()
        load.finish(120)
        ledger = deployment.drain(120)
        assert len(load.acked) == len(messages)
        assert load.acked - deployment.stored() == set()
        assert (ledger["unaccounted"], ledger["pending"]) == (0, 0)


@pytest.mark.timeout(600)
def test_a_slow_disk_is_waited_for(tmp_path: Path) -> None:
    """However long a sync takes, no acknowledgement leaves before it, and what comes meanwhile shares the next one."""
    began = time.monotonic()
    recorded = record(tmp_path, FEW, inject=("-e", f"inject=fdatasync:delay_enter={DELAY}"))
    early, told = told_too_early(recorded.events, LOG)
    syncs = [e for e in recorded.events if e.kind == "sync" and e.ended and e.path.endswith(LOG)]
    print(f"{told} acknowledged over {len(syncs)} syncs of {DELAY} us in {time.monotonic() - began:.1f} s")
    assert early == []
    assert told >= FEW
    assert len(syncs) >= FEW // SENDERS, "the load was over in too few syncs"
