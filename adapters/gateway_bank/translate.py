"""Lines to bank transactions: the mapping moves fields, this reads the three formats. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING

from gateway.errors import InvalidContent
from gateway.model.patch import Normalized
from gateway_bank.records import KIND, Line, read

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway_bank.config import BankConfig, CsvColumns

_TRN = re.compile(r"TRN\*[12]\*([^*~\\|/\s]{1,50})(?:\*(\d{9,10}))?")
"""A re-association trace in an addenda or a statement's text: TRN02, and TRN03 where it was not cut off."""
_CENTS = re.compile(r"[+-]?\d{1,15}", re.ASCII)
_ACH_CODES = frozenset({"142", "143", "145", "165", "169", "451", "455", "469"})
_WIRE_CODES = frozenset({"191", "195", "208", "491", "495", "508"})
_ANEW = "Ask the bank for the file anew."
_CHECK_CODES = frozenset({"115", "116", "174", "175", "475", "472"})


def normalizer(config: BankConfig, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from a line and its headers to a patch."""
    readers: dict[str, Callable[[Line], dict[str, str]]] = {
        "BAI2": lambda line: _bai2(line, config),
        "ACH": _ach,
        "CSV": lambda line: _csv(line, config.csv),
    }

    def normalize(body: bytes, context: bytes) -> Normalized:
        line = read(body, context)
        record = {"key": line.key, **readers[line.format](line)}
        found = _TRN.search(record.get("description", ""))
        if found and not record.get("trace"):
            record |= {"trace": found[1], "originating": found[2] or ""}
        return Normalized(patches=mapping.patches(KIND, record))

    return normalize


def _bai2(line: Line, config: BankConfig) -> dict[str, str]:
    """Record 16 with its continuations: type code, amount, funds type, bank and customer reference, text."""
    first, *more = line.text.split("\n")
    fields = first.rstrip("/").split(",")
    funds = fields[3] if len(fields) > 3 else ""
    skip = {"V": 2, "S": 3}.get(funds, 0)
    if funds == "D" and len(fields) > 4 and fields[4].isdecimal():
        skip = 1 + 2 * min(int(fields[4]), 100)
    rest = [*fields[4 + skip :], "", "", ""]
    code = fields[1] if len(fields) > 1 else ""
    group = line.headers[0].split(",")
    account = (line.headers[1] if len(line.headers) > 1 else "").split(",")
    text = " ".join([",".join(rest[2:]).rstrip(","), *(one[3:].rstrip("/") for one in more)])
    return {
        "date": _short_date(group[4] if len(group) > 4 else "", "02-05"),
        "amount": _amount(fields[2] if len(fields) > 2 else "", "16-03", out=code.startswith(("4", "5", "6"))),
        "kind": _bai2_kind(code), "reference": rest[0], "description": " ".join(text.split()),
        "account": config.accounts.get(account[1][-4:] if len(account) > 1 else "", ""),
    }  # fmt: skip


def _bai2_kind(code: str) -> str:
    if code in _ACH_CODES:
        return "ach"
    if code in _WIRE_CODES:
        return "wire"
    return "check" if code in _CHECK_CODES else "fee" if code == "698" else "other"


def _ach(line: Line) -> dict[str, str]:
    """Entry (6) and addenda (7) of a batch (5)."""
    entry, *addenda = line.text.split("\n")
    batch = f"{line.headers[0]:94}"
    return {
        "date": _short_date(batch[69:75], "5, 70-75"),
        "amount": _amount(entry[29:39], "6, 30-39", out=entry[1:3] in ("27", "37")), "kind": "ach",
        "reference": entry[79:94].strip(), "originating": batch[40:50].strip(),
        "description": " ".join((batch[4:20].strip(), *(one[3:83].strip() for one in addenda))),
    }  # fmt: skip


def _csv(line: Line, columns: CsvColumns) -> dict[str, str]:
    try:
        names, cells = (next(csv.reader(io.StringIO(text)), []) for text in (line.headers[0], line.text))
    except csv.Error:
        raise InvalidContent("broken-row", "The row's quotes do not fit", where="csv", fix=_ANEW) from None
    row = dict(zip((name.strip() for name in names), (cell.strip() for cell in cells), strict=False))
    try:
        day = datetime.strptime(row.get(columns.date, ""), columns.date_format).date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise InvalidContent(
            "not-a-date",
            "The day of booking is not of the configured form",
            where="csv.date",
            fix="Set csv.date_format.",
        ) from None
    amount = row.get(columns.amount, "").replace(",", "").replace("$", "")
    debit = row.get(columns.debit, "").replace(",", "").replace("$", "") if columns.debit else ""
    return {
        "date": day.isoformat(), "amount": amount or (f"-{debit.lstrip('-')}" if debit else ""), "kind": "other",
        "reference": row.get(columns.reference, ""), "trace": row.get(columns.trace, ""),
        "description": row.get(columns.description, ""),
    }  # fmt: skip


def _short_date(text: str, where: str) -> str:
    """YYMMDD as an ISO date."""
    try:
        return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:6])).isoformat()
    except ValueError:
        raise InvalidContent("not-a-date", "The day is not written YYMMDD", where=where, fix=_ANEW) from None


def _amount(text: str, where: str, *, out: bool) -> str:
    """Cents without a point as dollars."""
    if not _CENTS.fullmatch(text):
        raise InvalidContent("not-an-amount", "The amount is not written in cents", where=where, fix=_ANEW)
    cents = -int(text) if out else int(text)
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
