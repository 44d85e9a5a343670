"""The tables of reviews: kept nodes of the audit tree, and business associate agreements."""

from __future__ import annotations

from alembic import op

from gateway.store.metadata import metadata
from gateway.store.schema_audit import TABLES

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make them where they are missing: a new database got every table with the first revision."""
    metadata.create_all(op.get_bind(), tables=TABLES)
