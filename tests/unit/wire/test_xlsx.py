"""Workbooks: rows as CSV writes them, and nothing that unpacks to too much."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from gateway.errors import LimitExceeded, MalformedEnvelope
from gateway.wire.xlsx import WorkbookLimits, rows


def workbook(*table) -> bytes:
    book = Workbook()
    for row in table:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_cells_are_written_as_an_export_would():
    """Dates in ISO form, whole numbers without a point, quotes where needed; empty rows are left out."""
    made = workbook(
        ["id", "day", "note"], [1.0, datetime(2026, 7, 14, 9, 30), 'a "b", c'], [], [2.5, date(2026, 7, 1)], [3]
    )
    assert list(rows(made)) == [
        b"id,day,note", b'1,2026-07-14 09:30:00,"a ""b"", c"', b"2.5,2026-07-01 00:00:00,", b"3,,",
    ]  # fmt: skip


def test_a_bomb_is_refused_before_it_is_unpacked():
    """A part that would unpack to far more than it holds, or a whole that would, is refused."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 10_000_000)
    with pytest.raises(LimitExceeded, match="unpack"):
        list(rows(file.getvalue()))
    with pytest.raises(LimitExceeded, match="unpack"):
        list(rows(workbook(["a"]), WorkbookLimits(unpacked_bytes=100)))
    with pytest.raises(LimitExceeded, match="larger"):
        list(rows(workbook(["a"]), WorkbookLimits(bytes=10)))


def test_what_is_no_workbook_is_told():
    """A broken archive and an archive of something else are refused in our words."""
    whole = workbook(["a"])
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("hello.txt", "hello")
    strange = re.sub(rb"(PK\x01\x02.{6})..", rb"\g<1>c\0", whole, flags=re.DOTALL)  # packed in a way nobody knows
    for data in (whole[: len(whole) // 2], other.getvalue(), b"PK\x03\x04", strange):
        with pytest.raises(MalformedEnvelope, match="workbook"):
            list(rows(data))
