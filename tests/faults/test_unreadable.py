"""The disk does not give one page of the store back: who stands on it waits, everybody else goes on, and it is told.

The kernel refuses to read the page (``unreadable.py``), to the real process and to the commands that look at its store.
Two kinds of page hold what is some patients' own: those of the journal, here with changes that a route has yet to send,
and those of messages, here with some that are yet to be normalized. The world outside judges by what it acknowledged
and received, and the oracle by the rows, once the disk gives the page back.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import select

from gateway.bootstrap import open_gateway
from gateway.settings import load
from gateway.store import schema
from gateway.wire.hl7_header import peek
from gateway_hl7.simulator import clinic_day
from tests.faults import unreadable
from tests.faults.deployment import SCALE, SECRET, Deployment, Load
from tests.faults.power import judge
from tests.pages import leaves
from tests.waiting import PATIENCE, wait_until

PATIENTS = 12
Version = tuple[str, int]
"""A record and one of its versions."""
Owner = TypeVar("Owner")


def _rows(deployment: Deployment) -> tuple[bytes, dict[Version, Any]]:
    """The file's key, and the change that made each version."""
    with closing(open_gateway(load(deployment.config), deployment.folder)) as gateway:
        rows = gateway.store.read_sync(lambda c: c.execute(select(schema.changes)).fetchall())
        versions = {(str(UUID(bytes=row.record_id)), row.version): row for row in rows}
        return gateway.vault.keystore.database_key(), versions


def mark_of(change: Any) -> bytes:
    """By what a change is found in the file."""
    return bytes(change.kind.encode() + change.record_id + change.type.encode())


def _page_of_some(deployment: Deployment, key: bytes, marks: Mapping[bytes, Owner]) -> tuple[int, set[Owner]]:
    """Offset of a page on which marks of some stand, and of others not; whose they are.

    The last mark stands where the table grows: who adds a row reads that page, whosever it is.
    """
    *_, last = marks
    for offset, plain in leaves(deployment.folder / "data" / "gateway.db", key):
        found = {owner for mark, owner in marks.items() if mark in plain}
        if 1 <= len(found) <= PATIENTS // 2 and last not in plain:
            return offset, found
    raise AssertionError("no page is some patients' own")


def _sent(deployment: Deployment) -> set[Version]:
    """What the receiver has."""
    lines = deployment.received().lines if deployment.receiver_ledger.exists() else []
    return {(one["record"], one["version"]) for one in lines}


pytestmark = pytest.mark.skipif(
    SCALE < 1, reason="at full scale (make faults); tests/integration/test_unreadable_page.py is run each time"
)


@pytest.fixture(autouse=True)
def _able(monkeypatch: pytest.MonkeyPatch) -> None:
    if not unreadable.is_possible():
        pytest.skip("this system filters no calls by their arguments")
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)


def _told(deployment: Deployment) -> str:
    """What ``gateway verify ledger`` says on this disk."""
    command = [*deployment.prefix, *deployment.program, "verify", "ledger", "--config", str(deployment.config)]
    done = subprocess.run(
        command, env=deployment.environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 1, "nothing is wrong, it says"
    return done.stdout


def _given_back(deployment: Deployment, acknowledged: set[str]) -> None:
    """Once the disk gives the page back, what waited is released, and all of it is sent, once."""
    deployment.stop()
    deployment.prefix = ()
    deployment.start()
    deployment.cli("quarantine", "release", "--source", "hospital")
    wait_until(lambda: not deployment.json("verify", "ledger")["quarantined"], "something is held for ever")
    ledger = deployment.drain(PATIENCE)
    _, versions = _rows(deployment)
    wait_until(lambda: _sent(deployment) == set(versions), "something was never sent")
    assert (ledger["unaccounted"], ledger["pending"]) == (0, 0)
    assert deployment.received().second == []
    deployment.stop()
    assert judge(deployment.folder, acknowledged) == []


@pytest.mark.timeout(600)
def test_a_page_of_the_journal_that_cannot_be_read_stops_only_its_patients(tmp_path: Path) -> None:
    """Everybody else's old and new changes are sent, theirs wait and it is told; all is sent in the end."""
    day = clinic_day(31, patients=PATIENTS, visits=PATIENTS, merges=0)
    half = PATIENTS + PATIENTS // 2
    with Deployment(tmp_path) as deployment:
        deployment.cli("routes", "pause", "reminders")
        deployment.start()
        before = Load(deployment.port, day[:half])
        before.finish(PATIENCE)
        deployment.settle(PATIENCE)
        deployment.stop()
        key, versions = _rows(deployment)
        offset, patients = _page_of_some(deployment, key, {mark_of(row): row.patient for row in versions.values()})
        deployment.prefix = (sys.executable, unreadable.__file__, str(offset))
        deployment.start()
        deployment.cli("routes", "resume", "reminders")
        after = Load(deployment.port, day[half:])
        after.finish(PATIENCE)
        deployment.settle(PATIENCE)
        _, versions = _rows(deployment)
        others = {version for version, row in versions.items() if row.patient not in patients}
        wait_until(lambda: others <= _sent(deployment), "somebody else waits too")
        assert set(versions) - _sent(deployment), "nobody waits: the page was read"
        assert deployment.healthy()
        assert "page-unreadable" in deployment.log()
        assert f"offset {offset}" in _told(deployment)
        _given_back(deployment, before.acked | after.acked)


@pytest.mark.timeout(600)
def test_a_page_of_messages_that_cannot_be_read_stops_only_its_patients(tmp_path: Path) -> None:
    """What is not normalized yet and stands elsewhere is, and is sent; the rest waits and can be released."""
    day = clinic_day(32, patients=PATIENTS, visits=PATIENTS, merges=0)
    with Deployment(tmp_path, roles=("intake",)) as deployment:
        deployment.start()
        load = Load(deployment.port, day)
        load.finish(PATIENCE)
        deployment.stop()
        key, _ = _rows(deployment)
        offset, held = _page_of_some(deployment, key, {peek(one).control_id.encode(): one for one in day})
        deployment.prefix = (sys.executable, unreadable.__file__, str(offset))
        deployment.roles = ()
        deployment.start()
        deployment.settle(PATIENCE)
        _, versions = _rows(deployment)
        assert 0 < len(held) < len(day) // 3
        assert versions, "nothing was normalized"
        assert _sent(deployment) == set(versions)
        assert deployment.healthy()
        assert "page-unreadable" in deployment.log()
        assert f"offset {offset}" in _told(deployment)
        _given_back(deployment, load.acked)
