"""Accounts of people, their sessions, and uses of the emergency role."""

from __future__ import annotations

from alembic import op

from gateway.store.metadata import metadata
from gateway.store.schema_people import TABLES

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables where they are missing: a new database got every table with the first revision."""
    metadata.create_all(op.get_bind(), tables=TABLES)
