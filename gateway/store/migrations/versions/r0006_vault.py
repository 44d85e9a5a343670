"""The tables of patient search, shredding and legal holds."""

from __future__ import annotations

from alembic import op

from gateway.store.metadata import metadata
from gateway.store.schema_vault import TABLES

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make them where they are missing: a new database got every table with the first revision."""
    metadata.create_all(op.get_bind(), tables=TABLES)
