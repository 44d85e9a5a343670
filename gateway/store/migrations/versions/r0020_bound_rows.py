"""Bound rows: a MAC beside the clear columns of what is only ever inserted; those from before get theirs at a start."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, inspect

from gateway.store.binding import MAC
from gateway.store.bound import TABLES

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the column where it is missing: a new database got it with the first revision."""
    for table in TABLES:
        found = {one["name"] for one in inspect(op.get_bind()).get_columns(table.name)}
        if MAC not in found:
            op.add_column(table.name, Column(MAC, table.c[MAC].type))
