"""Conformance of a report with what its columns mean: known headers that lack, and values of another kind.

There is no published standard of these files; nothing here is needed to read one.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation

from gateway.errors import RejectMessage
from gateway.model.exchange import Finding, Item
from gateway_reports.config import ReportsConfig
from gateway_reports.records import known, open_file, rows
from gateway_reports.records_columns import AGED
from gateway_reports.records_row import read_row
from gateway_reports.translate import amount, moment

TIMES = frozenset(
    {"start", "end", "birth_date", "cancelled_at", "issued_on", "purchased_on", "end_date", "as_of", "service_on"}
)
AMOUNTS = AGED.keys() | {"subtotal", "tax", "total", "collected", "balance", "owing", "billed", "paid"}


def conformance(data: bytes, config: ReportsConfig, name: str = "") -> list[Finding]:
    """What a file does otherwise than known, each kind of fault once, by column and never by value."""
    try:
        opened = open_file(data, config, name)
    except RejectMessage as error:
        return [Finding(reason=error.reason, what=error.what, where=error.where, fix=error.fix)]
    if opened is None:
        return []
    report = opened.context.report
    found = {
        column: Finding(reason="column-missing", what="a known column is missing", where=f"{report} {column}")
        for column in known(config.system, report)
        if column in opened.heading.missing
    }
    for part in rows(opened):
        if not isinstance(part, Item):
            found.setdefault(part.reason, part)
            continue
        for column, value in read_row(part.body, part.context).values.items():
            kind = "time" if column in TIMES else "amount" if column in AMOUNTS else ""
            if value and kind and not _fits(value, kind, config.date_order):
                what = f"a value is no {kind}"
                found.setdefault(column, Finding(reason=f"not-{kind}", what=what, where=f"{report} {column}"))
    return list(found.values())


def _fits(value: str, kind: str, order: str) -> bool:
    try:
        if kind == "time":
            datetime.fromisoformat(moment(value, order))
            return True
        return Decimal(amount(value)).is_finite()
    except (ValueError, InvalidOperation):
        return False
