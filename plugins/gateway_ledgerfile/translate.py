"""Journals to the bytes of files. Pure, so a repeated dispatch has the same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from gateway.chart import Dimension, Journal, JournalLine
from gateway.wire.tabular import plain

DIMENSIONS: tuple[Dimension, ...] = ("class", "department", "location")
COLUMNS = ("number", "date", "memo", "reverses", "account", "role", "debit", "credit", *DIMENSIONS)
_HEAD = (
    ("!TRNS", "TRNSTYPE", "DATE", "ACCNT", "CLASS", "AMOUNT", "DOCNUM", "MEMO"),
    ("!SPL", "TRNSTYPE", "DATE", "ACCNT", "CLASS", "AMOUNT", "DOCNUM", "MEMO"),
    ("!ENDTRNS",),
)
_KIND = "GENERAL JOURNAL"


def spreadsheet(journals: Sequence[Journal]) -> bytes:
    """CSV by RFC 4180 in UTF-8: a row for each line; what a spreadsheet would run as a formula gets a ``'``."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in journals:
        for line in one.lines:
            words = (one.number, one.day.isoformat(), one.memo, one.reverses, line.account, line.role)
            amounts = (str(line.amount), "") if line.debit else ("", str(-line.amount))
            places = (line.dimensions.get(name, "") for name in DIMENSIONS)
            writer.writerow((*map(plain, words), *amounts, *map(plain, places)))
    return out.getvalue().encode()


def iif(journals: Sequence[Journal]) -> bytes:
    """Intuit Interchange Format: tabs between, a TRNS line, its SPL lines and ENDTRNS for each journal."""
    rows: list[Sequence[str]] = list(_HEAD)
    for one in journals:
        rows += [("SPL" if place else "TRNS", *_cells(one, line)) for place, line in enumerate(one.lines)]
        rows.append(("ENDTRNS",))
    return "".join("\t".join(map(_word, row)) + "\r\n" for row in rows).encode("cp1252", "replace")


def _cells(one: Journal, line: JournalLine) -> tuple[str, ...]:
    day = f"{one.day.month}/{one.day.day}/{one.day.year}"
    return _KIND, day, line.account, line.dimensions.get("class", ""), str(line.amount), one.number, one.memo


def _word(text: str) -> str:
    """IIF has no quoting: a tab or a line end inside would begin another cell."""
    return " ".join(text.split())
