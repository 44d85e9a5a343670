from __future__ import annotations

import asyncio
import csv
import errno
import functools
import hashlib
import io
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from gateway.errors import InvalidConfiguration
from gateway.hookspecs import API_VERSION
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Dispatch, Outcome, Retry
from gateway_files.config import FilesConfig
from gateway_files.plugin import FilesSink, gateway_sinks
from gateway_files.sink import FolderSink
from tests.measuring import least


def delivery(number: int, type_name: str = "Appointment", body: bytes | None = None) -> Delivery:
    body = body or msgspec.json.encode({"start": "2026-07-14T09:00:00-05:00", "room": f"room {number}"})
    return Delivery(
        key=f"key-{number}", change="created", type=type_name, record_id=f"0198f3a2-{number:012d}", order="p",
        version=1, at="2026-07-14T14:00:00Z", source="north", observed_at="2026-07-14T13:59:59Z",
        fields=("start", "room"), body=body,
    )  # fmt: skip  # an envelope reads better packed


def dispatch(name: str = "d1", count: int = 3) -> Dispatch:
    types = ("Appointment", "Patient", "Appointment")
    rows = tuple(delivery(number, types[number % 3]) for number in range(count))
    return Dispatch(id=name, route="lake", deliveries=rows)


def deliver(folder: Path, *dispatches: Dispatch, formats: tuple[str, ...] = ("ndjson", "csv")) -> list[list[Outcome]]:
    async def run() -> list[list[Outcome]]:
        sink = FilesSink().open("lake", FilesConfig(folder=folder, formats=formats))
        try:
            return [list(await sink.deliver(one)) for one in dispatches]
        finally:
            await sink.close()

    return asyncio.run(run())


def manifest(folder: Path) -> list[dict[str, Any]]:
    path = folder / "manifest.ndjson"
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def check_manifest(folder: Path) -> None:
    """Every listed file is there, whole, and listed once; every file is listed."""
    entries = manifest(folder)
    for entry in entries:
        body = (folder / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(body).hexdigest()
        assert entry["bytes"] == len(body)
        if entry["file"].endswith(".csv"):
            assert entry["rows"] == len(list(csv.reader(io.StringIO(body.decode(), newline="")))) - 1
        else:
            assert entry["rows"] == len(body.splitlines())
    names = [entry["file"] for entry in entries]
    assert len(names) == len(set(names))
    assert set(names) == set(content(folder)) - {"manifest.ndjson"}


def test_a_dispatch_becomes_files_and_manifest_lines(tmp_path: Path) -> None:
    """Each type and format of a dispatch is one file with its rows, listed after it is complete."""
    (outcomes,) = deliver(tmp_path / "new" / "lake", dispatch())
    folder = tmp_path / "new" / "lake"
    check_manifest(folder)
    assert [entry["file"] for entry in manifest(folder)] == [
        "Appointment-d1.ndjson", "Appointment-d1.csv", "Patient-d1.ndjson", "Patient-d1.csv",
    ]  # fmt: skip  # pairs
    assert {entry["dispatch"] for entry in manifest(folder)} == {"d1"}
    digest = hashlib.sha256((folder / "Appointment-d1.ndjson").read_bytes()).hexdigest()
    assert outcomes[0] == outcomes[2] == Delivered(f"Appointment-d1.ndjson sha256:{digest}")
    rows = [msgspec.json.decode(line) for line in (folder / "Appointment-d1.ndjson").read_bytes().splitlines()]
    assert [row["key"] for row in rows] == ["key-0", "key-2"]
    assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in content(folder))


def test_a_repeat_changes_nothing(tmp_path: Path) -> None:
    """The same dispatch again, at once or after a restart, leaves files and manifest as they are."""
    first = deliver(tmp_path, dispatch(), dispatch())
    before = content(tmp_path)
    again = deliver(tmp_path, dispatch(), dispatch("d2"), dispatch())
    assert {name: data for name, data in content(tmp_path).items() if "d2" not in name} | {
        "manifest.ndjson": before["manifest.ndjson"]
    } == before
    check_manifest(tmp_path)
    assert first[0] == first[1] == again[0] == again[2]


def test_a_file_taken_away_is_not_written_twice(tmp_path: Path) -> None:
    """Once listed, a file that its reader has removed does not come back with a repeated dispatch."""
    deliver(tmp_path, dispatch(), formats=("ndjson",))
    (tmp_path / "Patient-d1.ndjson").unlink()
    (outcomes,) = deliver(tmp_path, dispatch(), formats=("ndjson",))
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert set(content(tmp_path)) == {"Appointment-d1.ndjson", "manifest.ndjson"}


def test_an_old_repeat_is_found_in_the_manifest(tmp_path: Path) -> None:
    """A repeat that is no longer kept in mind is recognised by its file and its manifest line."""
    deliver(tmp_path, dispatch("old"), formats=("ndjson",))
    with (tmp_path / "manifest.ndjson").open("ab") as lines:
        entry = {"file": "gone", "dispatch": "gone", "rows": 1, "bytes": 1, "sha256": "0" * 64}
        lines.write((msgspec.json.encode(entry) + b"\n") * 6000)
    size = (tmp_path / "manifest.ndjson").stat().st_size
    deliver(tmp_path, dispatch("old"), formats=("ndjson",))
    assert (tmp_path / "manifest.ndjson").stat().st_size == size


def test_other_content_under_the_same_id_is_never_dropped(tmp_path: Path) -> None:
    """If the same dispatch id came with other rows, the file is replaced and listed again with its new digest."""
    deliver(tmp_path, dispatch(count=1), dispatch(count=3), formats=("ndjson",))
    last = {entry["file"]: entry for entry in manifest(tmp_path)}
    assert last["Appointment-d1.ndjson"]["rows"] == 2
    assert len((tmp_path / "Appointment-d1.ndjson").read_bytes().splitlines()) == 2


def die_at(step: int, work: Callable[[], object]) -> bool:
    """Run ``work`` in a child that is killed at its n-th write (half done), sync, rename or cut; True if it died."""
    child = os.fork()
    if child == 0:
        left, write = step, os.write

        def dying(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0:
                    if real is write:
                        write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                    os._exit(9)
                return real(*arguments)

            return call

        try:
            os.fsync, os.rename, os.write, os.ftruncate = map(dying, (os.fsync, os.rename, write, os.ftruncate))
            work()
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, 9}
    return code == 9


def test_killed_at_any_step_the_repeat_completes_it(tmp_path: Path) -> None:
    """Killed at each write (torn), sync or rename in turn, the repeated dispatches end as if nothing had happened."""
    work = (dispatch("d1"), dispatch("d2"))
    whole = tmp_path / "whole"
    deliver(whole, *work)
    for step in itertools.count(1):
        folder = tmp_path / f"step-{step}"
        died = die_at(step, functools.partial(deliver, folder, *work))
        for entry in manifest_lines(folder):
            body = (folder / entry["file"]).read_bytes()
            assert entry["sha256"] == hashlib.sha256(body).hexdigest()
        deliver(folder, *work)
        check_manifest(folder)
        assert content(folder) == content(whole)
        if not died:
            break
    assert step > 20


def manifest_lines(folder: Path) -> Iterator[dict[str, Any]]:
    """The manifest as a reader sees it right after a crash: whole lines only."""
    path = folder / "manifest.ndjson"
    if path.exists():
        for line in path.read_bytes().split(b"\n")[:-1]:
            yield msgspec.json.decode(line)


@pytest.mark.parametrize(
    "torn", [b'{"file":"x', b'{"file":1}\n', b"\0" * 700, b"\n", b'{"file":"x"}\n{"file"', b"\xff\n"]
)
def test_a_torn_manifest_is_mended(tmp_path: Path, torn: bytes) -> None:
    """What a power cut left after the last whole line is cut off, and the next lines follow it."""
    deliver(tmp_path, dispatch("d1"))
    with (tmp_path / "manifest.ndjson").open("ab") as lines:
        lines.write(torn)
    deliver(tmp_path, dispatch("d1"), dispatch("d2"))
    check_manifest(tmp_path)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "disk-full"), (errno.EDQUOT, "disk-full"), (errno.EIO, "disk-eio"), (errno.EROFS, "disk-erofs")],
)
@pytest.mark.parametrize("nth", range(1, 7))
def test_a_disk_error_is_retried_without_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str, nth: int
) -> None:
    """Whichever sync fails, every delivery is to be retried, and the retry leaves what one clean run leaves."""
    deliver(tmp_path / "whole", dispatch())
    sink = FolderSink("lake", FilesConfig(folder=tmp_path / "lake", formats=("ndjson", "csv")))
    real, calls = os.fsync, iter(range(1, 1000))

    def failing(descriptor: int) -> None:
        if next(calls) == nth:
            raise OSError(number, "planted")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    assert asyncio.run(sink.deliver(dispatch())) == [Retry(reason)] * 3
    assert all(isinstance(outcome, Delivered) for outcome in asyncio.run(sink.deliver(dispatch())))
    monkeypatch.undo()
    asyncio.run(sink.close())
    check_manifest(tmp_path / "lake")
    assert content(tmp_path / "lake") == content(tmp_path / "whole")


def test_a_link_in_place_of_a_draft_is_not_followed(tmp_path: Path) -> None:
    """Someone else's link under the name of a draft gets no patient data."""
    sink = FolderSink("lake", FilesConfig(folder=tmp_path / "lake"))
    (tmp_path / "lake" / ".Patient-d1.ndjson.tmp").symlink_to(tmp_path / "elsewhere")
    assert asyncio.run(sink.deliver(dispatch())) == [Retry("disk-eloop")] * 3
    asyncio.run(sink.close())
    assert not (tmp_path / "elsewhere").exists()
    assert manifest(tmp_path / "lake") == []


def test_two_writers_do_not_share_a_folder(tmp_path: Path) -> None:
    """A second route on the same folder is refused at start, and free again once the first has closed."""
    first = FolderSink("one", FilesConfig(folder=tmp_path))
    with pytest.raises(InvalidConfiguration, match="Another route") as caught:
        FolderSink("two", FilesConfig(folder=tmp_path))
    assert caught.value.where == "routes.two.folder"
    asyncio.run(first.close())
    asyncio.run(FolderSink("two", FilesConfig(folder=tmp_path)).close())


def test_a_folder_that_cannot_be_made_is_told_at_start(tmp_path: Path) -> None:
    """A file in the way of the folder is a configuration error that names the setting."""
    (tmp_path / "taken").write_text("x")
    with pytest.raises(InvalidConfiguration, match="disk-"):
        FolderSink("lake", FilesConfig(folder=tmp_path / "taken"))


def test_a_closed_sink_writes_nothing(tmp_path: Path) -> None:
    """After close a dispatch is to be retried elsewhere; it never reaches a file that reuses the descriptor."""
    sink = FolderSink("lake", FilesConfig(folder=tmp_path))
    asyncio.run(sink.close())
    asyncio.run(sink.close())
    assert asyncio.run(sink.deliver(dispatch())) == [Retry("disk-ebadf")] * 3
    assert content(tmp_path) == {"manifest.ndjson": b""}


def test_nothing_is_ambiguous(tmp_path: Path) -> None:
    """Probing asks for the write to be repeated, which settles the question."""
    sink = FolderSink("lake", FilesConfig(folder=tmp_path))
    outcome = asyncio.run(sink.probe(delivery(1)))
    assert isinstance(outcome, Retry)
    assert not isinstance(outcome, Ambiguous)
    asyncio.run(sink.close())


def test_misspelt_columns_are_told() -> None:
    """Columns are checked against the model, with the valid names in the message."""
    with pytest.raises(ValidationError, match="cancel_reason"):
        FilesConfig(folder=Path("x"), columns={"Appointment": ("strat",)})
    with pytest.raises(ValidationError, match="Appointment"):
        FilesConfig(folder=Path("x"), columns={"Apointment": ("start",)})


def test_the_plugin_declares_itself() -> None:
    """The hook offers one sink with a native key, in batches, for this contract."""
    (sink,) = gateway_sinks()
    assert (sink.info.name, sink.info.api, sink.info.idempotency) == ("files", API_VERSION, "native-key")
    assert (sink.info.batch, sink.info.linger) == (2000, 1.0)


def test_twenty_thousand_deliveries_a_second(tmp_path: Path) -> None:
    """NDJSON is written at 20,000 deliveries or more for each second of a processor."""
    rows = tuple(delivery(number) for number in range(2000))
    folders = (tmp_path / str(turn) for turn in itertools.count())

    def written() -> None:
        work = [Dispatch(id=f"d{number}", route="lake", deliveries=rows) for number in range(5)]
        deliver(next(folders), *work, formats=("ndjson",))

    took = least(written, enough=0.5)
    print(f"files sink: {10_000 / took:,.0f} deliveries/s")
    assert took <= 0.5
