"""Rows of an Excel workbook's first sheet, written as CSV rows, so that both kinds of export go one way.

A workbook is a ZIP archive, whose directory is behind its content: it is held whole, within a limit. What it would
unpack to is bounded before anything is unpacked; formulas are not computed, macros and links are never touched.
"""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from io import BytesIO, StringIO
from typing import Any

from msgspec import Struct

from gateway.errors import LimitExceeded, MalformedEnvelope, PluginFailed

_UNREADABLE = (
    KeyError, ValueError, IndexError, TypeError, AttributeError, SyntaxError, OSError, EOFError, NotImplementedError,
    zlib.error,
)  # fmt: skip
"""What openpyxl raises for a workbook that is torn, made to hurt, or packed in a way that zipfile does not know."""
MAGIC = b"PK\x03\x04"


class WorkbookLimits(Struct, frozen=True, kw_only=True):
    """How much of a workbook is believed."""

    bytes: int = 64 * 1024 * 1024
    unpacked_bytes: int = 512 * 1024 * 1024
    ratio: int = 200
    """Unpacked bytes for each packed byte of one part; text compresses to a tenth or so."""
    parts: int = 2000
    columns: int = 500


DEFAULT_LIMITS = WorkbookLimits()


def rows(data: bytes, limits: WorkbookLimits = DEFAULT_LIMITS) -> Iterator[bytes]:
    """The rows of the first sheet as UTF-8 CSV without line ends, each at least as wide as the first.

    Rows without any value are left out. Raises ``LimitExceeded`` for what would unpack to too much and
    ``MalformedEnvelope`` for what is no workbook.
    """
    _check(data, limits)
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise PluginFailed(
            "Excel files need openpyxl", where="reports", fix="install the gateway with the extra reports"
        ) from None
    try:
        book = load_workbook(BytesIO(data), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        width = 0
        for values in sheet.iter_rows(values_only=True, max_col=limits.columns):
            filled = max((at for at, value in enumerate(values, 1) if value is not None), default=0)
            width = width or filled
            if filled:
                yield _csv(values[: max(width, filled)])
        book.close()
    except (InvalidFileException, zipfile.BadZipFile, *_UNREADABLE):
        raise MalformedEnvelope("not-a-workbook", "The file is not a readable Excel workbook", where="file") from None


def _check(data: bytes, limits: WorkbookLimits) -> None:
    if len(data) > limits.bytes:
        raise LimitExceeded("file-too-large", "The workbook is larger than allowed", where="file", fix="Save as CSV.")
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise MalformedEnvelope("not-a-workbook", "The file is not a readable Excel workbook", where="file") from None
    bomb = any(part.file_size > max(part.compress_size, 1024) * limits.ratio for part in parts)
    if bomb or len(parts) > limits.parts or sum(part.file_size for part in parts) > limits.unpacked_bytes:
        raise LimitExceeded(
            "unpacks-too-large", "The workbook would unpack to more than allowed", where="file", fix="Save as CSV."
        )
    if any(part.flag_bits & 1 for part in parts):
        raise MalformedEnvelope("encrypted", "The workbook is protected by a password", where="file", fix="Remove it.")


def _csv(values: tuple[Any, ...]) -> bytes:
    line = StringIO()
    csv.writer(line, lineterminator="").writerow([_text(value) for value in values])
    return line.getvalue().encode()


def _text(value: Any) -> str:
    """A cell as a CSV export writes it: dates in ISO form, whole numbers without a point."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
