"""The form of a row: its columns, and which of them a mapping's places are made of."""

from __future__ import annotations

from gateway.model.form import Form
from gateway_reports.records_columns import AGED
from gateway_reports.records_row import read_row
from gateway_reports.translate import CONTACTS


def form(body: bytes, context: bytes) -> Form:
    """The columns of a row."""
    row = read_row(body, context)
    return Form(row.context.report, row.values)


def origins(path: str) -> tuple[str, ...]:
    """The column behind a place; what names records is made of whichever columns a report has."""
    name = path.partition(":")[0].rpartition(".")[2]
    if name == "contacts":
        return tuple(column for column, _, _ in CONTACTS)
    if name == "aged":
        return tuple(AGED)
    return () if name == "itself" or name.startswith("@") else (name,)
