"""Other names of records, and what waits to learn whom one means."""

from __future__ import annotations

from alembic import op

from gateway.store.metadata import metadata
from gateway.store.schema_vault import alias_waits, aliases

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Make the tables where they are missing: a new database got every table with the first revision."""
    metadata.create_all(op.get_bind(), tables=[aliases, alias_waits])
