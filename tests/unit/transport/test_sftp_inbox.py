"""The watched mailbox: whole files once, dealt with after they are stored, again only when they changed."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import MalformedEnvelope, SourceUnavailable, StoreUnavailable
from gateway.testing.recording_intake import RecordingIntake
from gateway.transport.sftp_inbox import SftpInbox
from tests.unit.transport.mailbox import mailbox


class Taken:
    """Keeps what was handed in; refuses what begins with ``bad``."""

    def __init__(self) -> None:
        self.files: list[tuple[str, bytes]] = []

    async def __call__(self, file, pieces) -> None:
        data = await asyncio.to_thread(lambda: b"".join(pieces))
        if data.startswith(b"bad"):
            raise MalformedEnvelope("no-table", "the file is no table")
        self.files.append((file.name, data))


def inbox(account, handle, **settings):
    return SftpInbox("night", account, "/", ["*.csv"], handle, settle=0.05, **settings)


def test_a_file_left_in_place_is_read_once_and_again_when_it_changed(tmp_path):
    """The cursor remembers what was taken, also for a new process."""
    taken, intake = Taken(), RecordingIntake()

    async def run():
        async with mailbox(tmp_path / "box") as (server, account):
            (server.folder / "a.csv").write_bytes(b"one")
            for _ in range(3):
                await inbox(account, taken).poll(intake)
            (server.folder / "a.csv").write_bytes(b"longer")
            await inbox(account, taken).poll(intake)

    asyncio.run(run())
    assert taken.files == [("a.csv", b"one"), ("a.csv", b"longer")]


def test_a_growing_file_waits_for_its_end(tmp_path):
    """An upload in progress is not taken."""
    taken, intake = Taken(), RecordingIntake()

    async def run():
        async with mailbox(tmp_path / "box") as (server, account):
            with (server.folder / "a.csv").open("wb", buffering=0) as file:

                async def upload():
                    while True:
                        file.write(b"x" * 10)
                        await asyncio.sleep(0.005)

                task = asyncio.create_task(upload())
                await inbox(account, taken).poll(intake)
                assert taken.files == []
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                whole = file.tell()
            await inbox(account, taken).poll(intake)
        return whole

    whole = asyncio.run(run())
    assert taken.files == [("a.csv", b"x" * whole)]
    assert whole > 0


def test_nothing_is_moved_or_deleted_before_it_is_stored(tmp_path):
    """A store that cannot commit leaves the file; afterwards it is deleted."""
    taken, intake = Taken(), RecordingIntake()

    async def run():
        async with mailbox(tmp_path / "box") as (server, account):
            path = server.folder / "a.csv"
            path.write_bytes(b"one")
            intake.fail_next = 1
            with pytest.raises(StoreUnavailable):
                await inbox(account, taken, after="delete").poll(intake)
            assert path.exists()
            await inbox(account, taken, after="delete").poll(intake)
            assert not path.exists()

    asyncio.run(run())


def test_a_denied_move_is_tried_again_without_reading_again(tmp_path):
    """The file is stored once; the archive follows when the server permits it."""
    taken, intake = Taken(), RecordingIntake()

    async def run():
        async with mailbox(tmp_path / "box") as (server, account):
            (server.folder / "a.csv").write_bytes(b"one")
            server.fail("deny-rename")
            with pytest.raises(SourceUnavailable):
                await inbox(account, taken, after="archive", archive="/done").poll(intake)
            await inbox(account, taken, after="archive", archive="/done").poll(intake)
            return [path.name for path in (server.folder / "done").iterdir()]

    assert asyncio.run(run()) == ["a.csv"]
    assert taken.files == [("a.csv", b"one")]


def test_a_refused_file_stays_is_told_once_and_stops_no_other(tmp_path):
    """One finding for the bad file; the good one is taken; the bad one comes again when it was corrected."""
    taken, intake = Taken(), RecordingIntake()

    async def run():
        async with mailbox(tmp_path / "box") as (server, account):
            (server.folder / "a.csv").write_bytes(b"bad")
            (server.folder / "b.csv").write_bytes(b"good")
            for _ in range(2):
                await inbox(account, taken, after="delete").poll(intake)
            assert [path.name for path in server.folder.iterdir()] == ["a.csv"]
            (server.folder / "a.csv").write_bytes(b"corrected")
            await inbox(account, taken, after="delete").poll(intake)

    asyncio.run(run())
    assert [finding.reason for finding in intake.findings] == ["no-table"]
    assert [data for _, data in taken.files] == [b"good", b"corrected"]


def test_a_cut_download_comes_again(tmp_path):
    """A connection lost in the middle of a file is no end of the file."""
    taken, intake = Taken(), RecordingIntake()

    async def run():
        async with mailbox(tmp_path / "box") as (server, account):
            (server.folder / "a.csv").write_bytes(b"x" * 100_000)
            server.fail("cut")
            with pytest.raises(SourceUnavailable):
                await inbox(account, taken).poll(intake)
            assert taken.files == []
            await inbox(account, taken).poll(intake)

    asyncio.run(run())
    assert [len(data) for _, data in taken.files] == [100_000]
