"""Journal files: whole or not at all, each journal in one of them, nothing in them that a spreadsheet runs."""

from __future__ import annotations

import asyncio
import csv
import io
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import InvalidConfiguration
from gateway.hookspecs import OpenSink
from gateway.model.exchange import HELD, Delivered, Dispatch, Rejected, Retry
from gateway.transport.whole_file import sync_folder
from gateway_ledgerfile.config import LedgerfileConfig
from gateway_ledgerfile.plugin import LedgerfileSink
from gateway_ledgerfile.sink import LIST
from tests.unit.plugins.ledger_entries import ACCOUNTS, entry, removed

NAMES = {**ACCOUNTS, "cash": "=Bank", "payer-receivable": "A/R\tPayers"}


@contextmanager
def folder(path: Path, **changes: Any) -> Iterator[OpenSink]:
    settings: dict[str, Any] = {"accounts": NAMES, "folder": path, "forms": ("csv", "iif")}
    sink = LedgerfileSink().open("books", LedgerfileConfig(**(settings | changes)))
    try:
        yield sink
    finally:
        asyncio.run(sink.close())


def deliver(sink: OpenSink, *rows: Any, id: str = "0000000000000001") -> list[Any]:
    return list(asyncio.run(sink.deliver(Dispatch(id=id, route="books", deliveries=rows))))


def files(path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in path.iterdir() if one.name != LIST}


def test_a_dispatch_is_one_file_of_each_form(tmp_path: Path) -> None:
    """Debits, credits and number are in both forms, formulas and tabs are disarmed, the file is the owner's alone."""
    with folder(tmp_path) as sink:
        outcomes = deliver(sink, entry(1), entry(2))
        assert all("journals-0000000000000001.csv sha256:" in one.receipt for one in outcomes)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "journals-0000000000000001.csv").read_text())))
    assert [(row["account"], row["debit"], row["credit"]) for row in rows[:2]] == [
        ("'=Bank", "1.25", ""), ("A/R\tPayers", "", "1.25"),
    ]  # fmt: skip
    lines = (tmp_path / "journals-0000000000000001.iif").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["!TRNS", "!SPL", "!ENDTRNS", *["TRNS", "SPL", "ENDTRNS"] * 2]
    assert lines[4].split("\t")[2:6] == ["7/14/2026", "A/R Payers", "", "-1.25"]
    assert sum(Decimal(line.split("\t")[5]) for line in lines[3:5]) == 0
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in files(tmp_path)} == {0o600}


def test_a_repeat_writes_the_same_bytes_and_no_second_journal(tmp_path: Path) -> None:
    """The same dispatch after a crash is the same file; the same journal in another dispatch is not written again."""
    with folder(tmp_path) as sink:
        deliver(sink, entry(1))
        before = files(tmp_path)
        deliver(sink, entry(1))
        assert files(tmp_path) == before
    with folder(tmp_path) as sink:
        (again,) = deliver(sink, entry(1), id="0000000000000002")
        assert again.receipt.endswith("written before")
        assert files(tmp_path) == before


def test_a_crash_between_file_and_list_is_made_good(tmp_path: Path) -> None:
    """A list whose last line was cut loses that line alone, and the repeat of the dispatch writes it again."""
    with folder(tmp_path) as sink:
        deliver(sink, entry(1))
    whole = (tmp_path / LIST).read_bytes()
    (tmp_path / LIST).write_bytes(whole[:-5])
    with folder(tmp_path) as sink:
        deliver(sink, entry(1))
    assert (tmp_path / LIST).read_bytes() == whole


def test_a_removed_entry_is_a_journal_with_the_signs_turned(tmp_path: Path) -> None:
    """Booked and taken back sum to nothing; what was never written is not taken back."""
    with folder(tmp_path) as sink:
        deliver(sink, entry(1), removed(1))
        (nothing,) = deliver(sink, removed(2), id="0000000000000002")
        assert nothing == Delivered("nothing to reverse: it was never written")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "journals-0000000000000001.csv").read_text())))
    assert [row["reverses"] for row in rows] == ["", "", rows[0]["number"], rows[0]["number"]]
    amounts = [Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0) for row in rows if row["account"] == "'=Bank"]
    assert amounts == [Decimal("1.25"), Decimal("-1.25")]


def test_a_role_without_account_holds_its_entry_alone(tmp_path: Path) -> None:
    """The entry is refused by the role's name, its later changes wait, the others are written."""
    with folder(tmp_path) as sink:
        bad = entry(1, {"fees": "1.00", "cash": "-1.00"})
        assert isinstance(deliver(sink, bad)[0], Delivered)
    with folder(tmp_path / "b", accounts={"cash": "c", "payer-receivable": "r"}) as sink:
        outcomes = deliver(sink, bad, removed(1, {"fees": "1.00", "cash": "-1.00"}), entry(2))
        assert outcomes[:2] == [Rejected("no-account-for-fees"), HELD]
        assert isinstance(outcomes[2], Delivered)


@pytest.mark.parametrize("refused", ["gateway_ledgerfile.sink.sync_folder", "gateway.transport.locked_lines.write_all"])
def test_a_full_disk_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    """Nothing is told as written when the disk refuses; the next attempt, another dispatch, has the journal alone."""

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    with folder(tmp_path) as sink:
        with monkeypatch.context() as broken:
            broken.setattr(refused, full)
            assert deliver(sink, entry(1)) == [Retry("disk-full")]
        assert isinstance(deliver(sink, entry(1), id="0000000000000002")[0], Delivered)
        assert set(files(tmp_path)) == {"journals-0000000000000002.csv", "journals-0000000000000002.iif"}
        assert (tmp_path / LIST).read_bytes().count(b"\n") == 1


def test_what_a_cancelled_caller_began_is_known_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dispatch given up while the disk was slow is written all the same, so its journal goes into no second file."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(path: Path) -> None:
        begun.set()
        assert go_on.wait(30)
        sync_folder(path)

    async def twice(sink: OpenSink) -> Any:
        first = asyncio.create_task(sink.deliver(Dispatch(id="d1", route="books", deliveries=(entry(1),))))
        await asyncio.to_thread(begun.wait, 30)
        first.cancel()
        second = asyncio.create_task(sink.deliver(Dispatch(id="d2", route="books", deliveries=(entry(1),))))
        await asyncio.sleep(0)
        go_on.set()
        return (await second)[0]

    with folder(tmp_path) as sink:
        monkeypatch.setattr("gateway_ledgerfile.sink.sync_folder", slow)
        assert asyncio.run(twice(sink)).receipt.endswith("written before")
    assert set(files(tmp_path)) == {"journals-d1.csv", "journals-d1.iif"}


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    """A second route on the same folder is refused at its start, and a damaged list too."""
    with folder(tmp_path), pytest.raises(InvalidConfiguration, match="Another route"):
        LedgerfileSink().open("other", LedgerfileConfig(accounts=NAMES, folder=tmp_path))
    (tmp_path / LIST).write_text("damaged\n")
    with pytest.raises(InvalidConfiguration, match="damaged"):
        LedgerfileSink().open("books", LedgerfileConfig(accounts=NAMES, folder=tmp_path))
