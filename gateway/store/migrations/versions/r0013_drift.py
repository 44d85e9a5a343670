"""Drift: learnt forms, alarms, and the fields that are held."""

from __future__ import annotations

from alembic import op

from gateway.store.metadata import metadata
from gateway.store.schema_drift import TABLES

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the tables where they are missing: a new database got every table with the first revision."""
    metadata.create_all(op.get_bind(), tables=TABLES)
