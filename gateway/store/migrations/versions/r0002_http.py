"""The tables of the HTTP room, and records by type and patient."""

from __future__ import annotations

from alembic import op

from gateway.store.schema import records_listed
from gateway.store.schema_http import TABLES

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make what a store of an earlier revision lacks."""
    for table in TABLES:
        table.create(op.get_bind(), checkfirst=True)
    records_listed.create(op.get_bind(), checkfirst=True)
