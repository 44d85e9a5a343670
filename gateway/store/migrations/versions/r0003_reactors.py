"""The tables of reactors."""

from __future__ import annotations

from alembic import op

from gateway.store.metadata import metadata
from gateway.store.schema_reactors import TABLES

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make them where they are missing: a new database got every table with the first revision."""
    metadata.create_all(op.get_bind(), tables=TABLES)
