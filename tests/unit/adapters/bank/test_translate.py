"""Deposits come out of every format to the cent, with the trace number that the remittance has."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from gateway.errors import InvalidContent
from gateway.mapping import Mapping
from gateway.model import fold
from gateway.model.exchange import Finding, Item
from gateway_bank.config import BankConfig, CsvColumns
from gateway_bank.plugin import BankAdapter
from gateway_bank.simulator import Deposit, ach, bai2

ADAPTER = BankAdapter()
DAY = date(2026, 7, 15)
DEPOSITS = [
    Deposit(Decimal("216.72"), "EFT001"),
    Deposit(Decimal("0.01"), "EFT002"),
    Deposit(Decimal("1234.50"), "EFT003"),
]
CONFIG = BankConfig(accounts={"2333": "operating"}, csv=CsvColumns(date_format="%m/%d/%Y"))


def read(data: bytes, size: int = 64 * 1024):
    parts = list(ADAPTER.cut((data[at : at + size] for at in range(0, len(data), size)), CONFIG))
    normalize = ADAPTER.normalizer(CONFIG, Mapping.load(ADAPTER.mappings, None, ADAPTER.path))
    items = [part for part in parts if isinstance(part, Item)]
    patches = [normalize(item.body, item.context).patches[0] for item in items]
    return [fold(one.type, None, one.fields) for one in patches], [p for p in parts if isinstance(p, Finding)], items


@pytest.mark.parametrize("make", [bai2, ach])
def test_every_deposit_is_read_with_its_trace(make):
    """Amount, day and trace of each, whether the text is on one record or two, and however the file arrives."""
    data = make(DAY, DEPOSITS)
    lines, findings, _ = read(data)
    assert findings == []
    assert [(one.amount, one.trace_number, one.booked_on, one.kind) for one in lines] == [
        (one.amount, one.trace, DAY, "ach") for one in DEPOSITS
    ]
    assert {one.originating_id for one in lines} == {"1999999999"}
    assert read(data, 7) == (lines, findings, read(data)[2])
    assert ADAPTER.recognize(data[:4096])


def test_an_account_has_the_clinics_name_and_no_number():
    """The number stays in the sealed message."""
    lines, _, _ = read(bai2(DAY, DEPOSITS))
    assert {one.account for one in lines} == {"operating"}
    assert b"000111222333" not in msgspec.json.encode(lines)


def test_a_csv_export_is_read_by_its_columns():
    """Signs, thousands and the bank's own form of dates; a row of another shape is a finding."""
    data = b'Date,Amount,Description\n07/15/2026,"1,234.50",ACH TRN*1*EFT009*1999999999\n07/16/2026,-3.00,FEE\nx,y\n'
    lines, findings, _ = read(data)
    assert [(one.amount, one.trace_number) for one in lines] == [
        (Decimal("1234.50"), "EFT009"),
        (Decimal("-3.00"), None),
    ]
    assert [one.reason for one in findings] == ["wrong-columns"]
    with pytest.raises(InvalidContent, match="form"):
        read(data.replace(b"07/15/2026", b"2026-07-15"))


def test_equal_lines_are_two_and_a_repeated_file_is_none():
    """Two equal deposits of a day differ by their order; the same file again has the same control ids."""
    data = bai2(DAY, [DEPOSITS[0], DEPOSITS[2], DEPOSITS[0]]).replace(b"REF00002", b"REF00000")
    _, _, items = read(data)
    assert len({item.control_id for item in items}) == 3
    assert read(data)[2] == items


@pytest.mark.parametrize("make", [bai2, ach])
def test_a_file_that_was_cut_or_changed_is_told(make):
    """Trailers count records and money: what is missing is seen, and the rest is still read."""
    data = make(DAY, DEPOSITS)
    short = data[: data.rindex(b"\n9")]
    assert "missing-trailer" in [one.reason for one in read(short)[1]]
    rows = data.split(b"\n")
    taken = next(at for at, row in enumerate(rows) if row[:1] == b"6" or row[:2] == b"16")
    assert "count-mismatch" in [one.reason for one in read(b"\n".join(rows[:taken] + rows[taken + 1 :]))[1]]


def test_an_amount_that_is_none_stops_its_line_only():
    """The error names the place and not the value."""
    data = bai2(DAY, DEPOSITS[:1]).replace(b"21672,Z", b"21x72,Z")
    with pytest.raises(InvalidContent) as caught:
        read(data)
    assert (caught.value.reason, caught.value.where) == ("not-an-amount", "16-03")
