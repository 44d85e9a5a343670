"""The drop folder: only whole files, each moved after its commit, failures beside their reason."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

import pytest

from gateway.errors import InvalidConfiguration, InvalidContent, StoreUnavailable
from gateway.model.exchange import Finding, Item
from gateway.testing.recording_intake import RecordingIntake
from gateway.transport.file_drop import STEP, FileDrop, dropped, hand_in
from tests.waiting import PATIENCE, until

POLL = 0.02


async def watch(folder, handle, *archived: str, meanwhile=None):
    """Run a drop folder, with a second job beside it, until these are archived, and for some looks more."""
    running = asyncio.create_task(FileDrop(folder, ["*.hl7"], handle, poll=POLL).run())
    if meanwhile is not None:
        await meanwhile()
    await until(lambda: running.done() or all((folder / "archive" / name).exists() for name in archived))
    await asyncio.sleep(4 * POLL)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_whole_files_are_taken_oldest_first_and_archived(tmp_path):
    """Files are handled once, in order of their time, and then moved; other names stay where they are."""
    taken = []

    async def handle(path):
        taken.append(path.read_text())

    for number, name in enumerate(["b.HL7", "a.hl7", "c.part", ".d.hl7", "e.hl7.tmp", "f.csv"]):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (number, number))
    asyncio.run(watch(tmp_path, handle, "a.hl7", "b.HL7"))
    assert taken == ["b.HL7", "a.hl7"]
    assert names(tmp_path) == [".d.hl7", "c.part", "e.hl7.tmp", "f.csv"]
    assert names(tmp_path / "archive") == ["a.hl7", "b.HL7"]


def test_what_was_taken_is_nobody_elses_to_read(tmp_path):
    """Folders that the gateway makes for files are open to its own account alone, whatever the process lets through."""

    async def handle(path):
        del path

    drop, before = tmp_path / "drop", os.umask(0o000)
    try:
        asyncio.run(watch(drop, handle))
    finally:
        os.umask(before)
    assert {(drop / name).stat().st_mode & 0o777 for name in ("", "archive", "failed")} == {0o700}


def test_a_growing_file_is_left_until_it_stands_still(tmp_path):
    """An upload in progress is not taken before it is whole."""
    taken = []

    async def handle(path):
        taken.append(path.read_text())

    async def upload():
        with (tmp_path / "a.hl7").open("w") as file:
            for _ in range(12):
                file.write("x")
                file.flush()
                await asyncio.sleep(0.01)

    asyncio.run(watch(tmp_path, handle, "a.hl7", meanwhile=upload))
    assert taken == ["x" * 12]


def test_a_file_that_cannot_be_read_moves_aside_with_its_reason(tmp_path):
    """A rejected file is kept in failed/ beside a note in our words, and the next file is taken."""
    (tmp_path / "bad.hl7").write_text("Doe^John")
    (tmp_path / "good.hl7").write_text("ok")

    async def handle(path):
        if path.name == "bad.hl7":
            raise InvalidContent("charset", "The bytes are not text.", where="byte 3")

    asyncio.run(watch(tmp_path, handle, "good.hl7"))
    assert names(tmp_path / "failed") == ["bad.hl7", "bad.hl7.reason.txt"]
    note = (tmp_path / "failed/bad.hl7.reason.txt").read_text()
    assert "charset" in note
    assert "byte 3" in note
    assert "Doe" not in note
    assert names(tmp_path / "archive") == ["good.hl7"]


def test_a_file_waits_for_a_store_that_is_away(tmp_path):
    """A commit that fails leaves the file where it is, and it is taken again."""
    (tmp_path / "a.hl7").write_text("x")
    attempts = []

    async def handle(path):
        attempts.append(path.exists())
        if len(attempts) < 3:
            raise StoreUnavailable("Disk full")

    asyncio.run(watch(tmp_path, handle, "a.hl7"))
    assert attempts == [True, True, True]
    assert names(tmp_path / "archive") == ["a.hl7"]


def test_archived_files_never_overwrite_each_other(tmp_path):
    """The same name twice is kept twice."""

    async def handle(path):
        pass

    for text, archived in (("one", "a.hl7"), ("two", "a.2.hl7")):
        (tmp_path / "a.hl7").write_text(text)
        asyncio.run(watch(tmp_path, handle, archived))
    assert names(tmp_path / "archive") == ["a.2.hl7", "a.hl7"]


def test_a_folder_that_cannot_be_made_is_a_matter_of_configuration(tmp_path):
    """A file in the folder's place is told with its cure."""
    (tmp_path / "file").write_text("")

    async def handle(path):
        pass

    with pytest.raises(InvalidConfiguration):
        asyncio.run(FileDrop(tmp_path / "file", ["*"], handle).run())


def test_hand_in_commits_in_steps_and_waits_for_the_store():
    """A large file becomes several commits; one that fails is tried again, and nothing is stored twice."""
    items = [Item(body=b"x" * (STEP // 4), kind="A", control_id=str(n), order_key=None) for n in range(10)]
    finding = Finding(reason="no-header", what="not HL7", where="byte 1", body=b"y")

    class Counting(RecordingIntake):
        commits = 0

        async def accept(self, items, **more):
            self.commits += 1
            return await super().accept(items, **more)

    intake = Counting()
    intake.fail_next = 1
    assert asyncio.run(hand_in(intake, iter([finding, *items]))) == (10, 1)
    assert [item.control_id for item in intake.items] == [str(n) for n in range(10)]
    assert intake.findings == [finding]
    assert intake.commits == 4


def test_chunks_are_the_file(tmp_path):
    """A file comes back whole in bounded pieces."""
    data = bytes(range(256)) * 1000
    (tmp_path / "a").write_bytes(data)
    pieces = list(dropped(tmp_path / "a"))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 65536


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_took_a_files_place_is_not_read(kind, tmp_path):
    """A link to another's file, or a pipe, that is put where the look found a file is refused, and nobody waits."""
    (tmp_path / "elsewhere").mkdir()
    secret = tmp_path / "elsewhere" / "of-another-clinic.hl7"
    secret.write_text("secret")
    drop = tmp_path / "drop"
    drop.mkdir()
    read = []

    async def handle(path):
        path.unlink()
        if kind == "link":
            path.symlink_to(secret)
        else:
            os.mkfifo(path)
        read.extend(await asyncio.to_thread(lambda: list(dropped(path))))

    async def plant():
        (drop / "a.hl7").write_text("mine")
        await until((drop / "failed" / "a.hl7.reason.txt").exists)

    asyncio.run(watch(drop, handle, meanwhile=plant))
    assert read == []
    assert "not-a-file" in (drop / "failed" / "a.hl7.reason.txt").read_text()
    assert secret.read_text() == "secret"


def test_links_in_its_way_are_neither_followed_nor_written_over(tmp_path):
    """A note goes to no file that a planted link names, and no file to a folder that one leads to."""
    treasure = tmp_path / "root.key"
    treasure.write_text("key")
    others = tmp_path / "others"
    others.mkdir()
    drop = tmp_path / "drop"
    (drop / "failed").mkdir(parents=True)
    (drop / "failed" / "a.hl7.reason.txt").symlink_to(treasure)

    async def handle(path):
        raise InvalidContent("bad", "bad")

    async def plant():
        (drop / "a.hl7").write_text("mine")
        await until((drop / "failed" / "a.2.hl7.reason.txt").exists)

    asyncio.run(watch(drop, handle, meanwhile=plant))
    assert treasure.read_text() == "key"
    assert (drop / "failed" / "a.2.hl7").read_text() == "mine"

    async def stored(path):
        (drop / "archive").rmdir()
        (drop / "archive").symlink_to(others)

    (drop / "b.hl7").write_text("mine")
    with pytest.raises(InvalidConfiguration, match="no folder of its own"):
        asyncio.run(asyncio.wait_for(FileDrop(drop, ["*.hl7"], stored, poll=POLL).run(), PATIENCE))
    assert list(others.iterdir()) == []
