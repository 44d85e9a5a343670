"""The drop folder: whole files in, archived after the commit."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from gateway.testing.recording_intake import RecordingIntake
from gateway_x12.config import X12Config
from gateway_x12.simulator import file_835
from tests.unit.adapters.x12.remittances import ADAPTER
from tests.waiting import PATIENCE


async def bring(folder, intake, until):
    """Run the adapter's transports until a condition holds."""
    config = X12Config(folder=folder, poll_seconds=0.05)
    tasks = [asyncio.create_task(one.run(intake, lambda: None)) for one in ADAPTER.transports("payer", config)]
    try:
        async with asyncio.timeout(PATIENCE):
            while not until():
                await asyncio.sleep(0.02)
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def test_a_dropped_file_is_stored_and_archived(tmp_path):
    """All its messages arrive, in order, and the file moves away afterwards."""
    (tmp_path / "era.835").write_bytes(file_835(1, 30, transactions=2))
    intake = RecordingIntake()
    asyncio.run(bring(tmp_path, intake, (tmp_path / "archive/era.835").exists))
    assert len(intake.items) == 32
    assert intake.findings == []


def test_a_file_dropped_again_makes_nothing_new(tmp_path):
    """Control ids and bytes repeat, so the core recognises each message."""
    intake = RecordingIntake()
    for name in ("a.835", "b.835"):
        (tmp_path / name).write_bytes(file_835(1, 5))
    asyncio.run(bring(tmp_path, intake, lambda: len(list((tmp_path / "archive").glob("*"))) == 2))
    assert len(intake.items) == 6


def test_a_file_that_fails_to_store_stays_and_is_taken_again(tmp_path):
    """A commit that fails leaves the file where it is."""
    (tmp_path / "era.x12").write_bytes(file_835(1, 5))
    intake = RecordingIntake()
    intake.fail_next = 1
    asyncio.run(bring(tmp_path, intake, (tmp_path / "archive/era.x12").exists))
    assert len(intake.items) == 6


def test_a_file_without_remittances_fails_with_its_findings_kept(tmp_path):
    """What is no 835 moves to failed with a note, and what was found in it is evidence."""
    (tmp_path / "letter.txt").write_bytes(b"Dear clinic, please find nothing attached.")
    intake = RecordingIntake()
    asyncio.run(bring(tmp_path, intake, (tmp_path / "failed/letter.txt").exists))
    assert [one.reason for one in intake.findings] == ["not-x12"]


def test_without_a_folder_there_is_nothing_to_run():
    """Files may come in by import only."""
    assert list(ADAPTER.transports("payer", X12Config())) == []


def test_a_mailbox_is_read_archived_and_acknowledged(tmp_path, monkeypatch):
    """A file of the clearinghouse's mailbox is stored, then put away, with what its sender is owed beside it."""
    pytest.importorskip("asyncssh", reason="the extra sftp is not installed")
    from gateway.testing.sftp_server import SftpServer

    (tmp_path / "download").mkdir()
    (tmp_path / "download/era.835").write_bytes(file_835(1, 30, transactions=2))
    monkeypatch.setenv("CLEARING_PASSWORD", "mailbox-word")
    intake = RecordingIntake()

    async def scenario():
        server = SftpServer(tmp_path, {"clinic": "mailbox-word"})
        await server.start("127.0.0.1")
        account = {
            "host": "127.0.0.1", "port": server.port, "user": "clinic", "host_keys": [server.host_key],
            "password": "env:CLEARING_PASSWORD", "timeout_seconds": 5,
        }  # fmt: skip
        config = X12Config.model_validate(
            {
                "sftp": account, "sftp_folder": "download", "after": "archive", "archive_folder": "download/archive",
                "mailbox_seconds": 0.05, "settle_seconds": 0.05, "acknowledge": ["999"],
            }
        )  # fmt: skip
        (transport,) = ADAPTER.transports("payer", config)
        task = asyncio.create_task(transport.run(intake, lambda: None))
        try:
            async with asyncio.timeout(PATIENCE):
                while not (tmp_path / "download/archive/era.835").exists():
                    await asyncio.sleep(0.02)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await server.stop()

    asyncio.run(scenario())
    assert [item.kind for item in intake.items].count("acknowledgement owed") == 1
    assert len(intake.items) == 33
