from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.errors import InvalidConfiguration
from gateway.model import TYPES
from gateway.model.exchange import Delivered, Delivery, Dispatch, Outcome, Retry
from gateway.transport import whole_file
from gateway_parquet.config import ParquetConfig
from gateway_parquet.plugin import ParquetSink
from gateway_parquet.translate import ENVELOPE, columns_of

parquet = pytest.importorskip("pyarrow.parquet")


def delivery(number: int, type_name: str = "Claim", day: str = "2026-07-14") -> Delivery:
    fields: dict[str, Any] = {
        "control_number": f"C{number}", "charge": "120.50", "diagnoses": ["M54.5"], "onset_on": "2026-07-01",
        "submitted_at": "2026-07-14T09:00:00-05:00", "lines": [{"units": "1.5"}],
    }  # fmt: skip
    return Delivery(
        key=f"key-{number}", change="created", type=type_name, record_id=f"0198f3a2-{number:012d}", order="p",
        version=1, at=f"{day}T14:00:00Z", source="north", observed_at="2026-07-14T13:59:59Z",
        fields=tuple(fields), body=msgspec.json.encode(fields if type_name == "Claim" else {"active": True}),
    )  # fmt: skip  # an envelope reads better packed


def dispatch(name: str = "d1") -> Dispatch:
    rows = (delivery(0), delivery(1, day="2026-07-15"), delivery(2, "Payer"), delivery(3))
    return Dispatch(id=name, route="lake", deliveries=rows)


def deliver(folder: Path, *dispatches: Dispatch) -> list[list[Outcome]]:
    async def run() -> list[list[Outcome]]:
        sink = ParquetSink().open("lake", ParquetConfig(folder=folder))
        try:
            return [list(await sink.deliver(one)) for one in dispatches]
        finally:
            await sink.close()

    return asyncio.run(run())


def manifest(folder: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in (folder / "manifest.ndjson").read_bytes().splitlines()]


def test_files_lie_by_type_and_day_and_the_manifest_names_each(tmp_path: Path) -> None:
    """Every delivery is in the file of its type and journal day; the manifest lists name, rows and digest once."""
    (outcomes,) = deliver(tmp_path, dispatch())
    names = ["Claim/day=2026-07-14/Claim-d1", "Claim/day=2026-07-15/Claim-d1", "Payer/day=2026-07-14/Payer-d1"]
    found = manifest(tmp_path)
    assert [(one["file"], one["rows"]) for one in found] == [
        (f"{name}.parquet", rows) for name, rows in zip(names, (2, 1, 1), strict=True)
    ]
    for one in found:
        assert hashlib.sha256((tmp_path / one["file"]).read_bytes()).hexdigest() == one["sha256"]
    assert isinstance(outcomes[1], Delivered)
    assert outcomes[1].receipt == f"{found[1]['file']} sha256:{found[1]['sha256']}"


def test_values_have_types_of_their_own(tmp_path: Path) -> None:
    """Money is a decimal, dates and times are such, nested values are JSON text, and what is absent is null."""
    deliver(tmp_path, dispatch())
    row = parquet.ParquetFile(tmp_path / "Claim/day=2026-07-14/Claim-d1.parquet").read().to_pylist()[0]
    assert (row["charge"], row["onset_on"]) == (Decimal("120.50"), date(2026, 7, 1))
    assert row["submitted_at"] == datetime(2026, 7, 14, 14, 0, tzinfo=UTC)
    assert (row["diagnoses"], row["lines"]) == ('["M54.5"]', '[{"units":"1.5"}]')
    assert row["status"] is None
    assert (row["key"], row["version"], row["source"]) == ("key-0", 1, "north")


def test_a_repeat_changes_nothing(tmp_path: Path) -> None:
    """The same dispatch again, in a new process too, gives the same receipts and leaves files and manifest alone."""
    first = deliver(tmp_path, dispatch())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert deliver(tmp_path, dispatch(), dispatch()) == first * 2
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_full_disk_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses, everything is to be tried again, and no file stands under its name."""

    def full(descriptor: int, body: bytes) -> None:
        raise OSError(28, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(whole_file, "write_all", full)
        (outcomes,) = deliver(tmp_path, dispatch())
    assert outcomes == [Retry("disk-full")] * 4
    assert list(tmp_path.rglob("*.parquet")) == []
    (outcomes,) = deliver(tmp_path, dispatch())
    assert Counter(map(type, outcomes)) == {Delivered: 4}


def test_every_type_of_the_model_has_columns() -> None:
    """Each record type has one column per field, and none takes the name of the envelope's."""
    for name, struct in TYPES.items():
        columns = columns_of(name)
        assert [one.field for one in columns] == list(struct.__struct_fields__)
        assert not {one.name for one in columns} & set(ENVELOPE)


def test_two_routes_do_not_share_a_folder(tmp_path: Path) -> None:
    """A folder that is taken is refused, with the setting to change."""

    async def run() -> None:
        taken = ParquetSink().open("lake", ParquetConfig(folder=tmp_path))
        try:
            with pytest.raises(InvalidConfiguration) as caught:
                ParquetSink().open("other", ParquetConfig(folder=tmp_path))
            assert caught.value.where == "routes.other.folder"
        finally:
            await taken.close()

    asyncio.run(run())
