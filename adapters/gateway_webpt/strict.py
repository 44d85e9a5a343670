"""Conformance of a file with the published tables: columns that are missing, and values of another kind than published.

The vendor's articles are the only standard there is; nothing here is needed to read a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from gateway.errors import RejectMessage
from gateway.model.exchange import Finding
from gateway_webpt.config import WebptConfig
from gateway_webpt.records import UNNAMED, Origin, open_file, rows
from gateway_webpt.records_row import day_of, iso
from gateway_webpt.records_tables import OTHER, TABLES

_WHOLE = re.compile(r"-?\d{1,18}\Z", re.ASCII)
_WHOLE_TOO = frozenset({"units", "visit_authorized_for", "export_flag", "record_pointer", "txn_paid"})


def conformance(chunks: Iterable[bytes], config: WebptConfig | None = None, origin: Origin = UNNAMED) -> list[Finding]:
    """What a file does otherwise than published, each kind of fault once with the first line it stands in."""
    config = config or WebptConfig.model_validate({})
    try:
        opened = open_file(chunks, config, origin)
    except RejectMessage as error:
        return [Finding(reason=error.reason, what=error.what, where=error.where, fix=error.fix)]
    if opened is None:
        return []
    table = opened.shape.context.table
    found = {
        column: Finding(reason="column-missing", what="a published column is missing", where=f"{table} {column}")
        for column in opened.heading.missing
    }
    typed = not TABLES.get(table, OTHER).revflow  # of RevFlow, names of columns are published and no types
    for part in rows(opened):
        if isinstance(part, Finding):
            found.setdefault(part.reason, part)
            continue
        row, line = part
        for column, value in row.values.items():
            kind = _kind(column) if typed else ""
            if value and kind and not _fits(value, kind, config.date_order):
                where = f"{table} line {line.number} {column}"
                found.setdefault(column, Finding(reason=f"not-{kind}", what=f"not {kind} as published", where=where))
    return list(found.values())


def _kind(column: str) -> str:
    """What a column holds, by the published tables' own way of naming."""
    if column in _WHOLE_TOO or column.endswith("_id"):
        return "whole"
    if column.endswith(("_date", "_time", "time_stamp")):
        return "time"
    return "amount" if column in {"charge_amount", "dollar_amount_paid", "amount"} else ""


def _fits(value: str, kind: str, order: str) -> bool:
    if kind == "whole":
        return _WHOLE.match(value) is not None
    if kind == "time":
        return day_of(iso(value, order)) is not None
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False
