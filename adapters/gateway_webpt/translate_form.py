"""The form of a row: its columns, and which of them a mapping's places are made of."""

from __future__ import annotations

from gateway.model.form import Form
from gateway_webpt.records_row import ABSENT, SUMMARY, read_row
from gateway_webpt.translate import CONTACTS


def form(body: bytes, context: bytes) -> Form | None:
    """The columns of a row; the messages that this adapter makes itself have none."""
    row = read_row(body, context)
    table = row.shape.context.table
    return None if table in (SUMMARY, ABSENT) else Form(table, row.values)


def origins(path: str) -> tuple[str, ...]:
    """The column behind a place; places of ours are made of what the table names, whichever columns those are."""
    name = path.partition(":")[0].rpartition(".")[2]
    if name == "contacts":
        return tuple(column for column, _, _ in CONTACTS)
    return () if name == "itself" or name.startswith("@") else (name,)
