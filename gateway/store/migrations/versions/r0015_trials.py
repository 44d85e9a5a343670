"""What a normalizer had at hand when its process ended."""

from __future__ import annotations

from alembic import op

from gateway.store.metadata import metadata
from gateway.store.schema_trials import trials

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Make the table where it is missing: a new database got every table with the first revision."""
    metadata.create_all(op.get_bind(), tables=[trials])
