"""Receivers that are left alone for a while."""

from __future__ import annotations

from alembic import op

from gateway.store.metadata import metadata
from gateway.store.schema_routes import rests

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table where it is missing: a new database got every table with the first revision."""
    metadata.create_all(op.get_bind(), tables=[rests])
