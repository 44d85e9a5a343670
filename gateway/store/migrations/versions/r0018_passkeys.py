"""Passkeys of people with a local account."""

from __future__ import annotations

from alembic import op

from gateway.store.metadata import metadata
from gateway.store.schema_people import passkeys

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Make the table where it is missing: a new database got every table with the first revision."""
    metadata.create_all(op.get_bind(), tables=[passkeys])
