"""The tables of the spine."""

from __future__ import annotations

from alembic import op

from gateway.store import schema, schema_audit
from gateway.store.metadata import metadata

revision = "0001"
down_revision = None

TABLES = (schema.messages, schema_audit.audit_rows)
"""Named so that both modules are seen to register their tables before they are made."""


def upgrade() -> None:
    """Make every table."""
    metadata.create_all(op.get_bind())
