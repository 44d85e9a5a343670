"""Pages: an index of the few audit rows that name pages, so that disclosures are recounted without all the others."""

from __future__ import annotations

from alembic import op

from gateway.store.schema_audit import audit_rows_pages

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make the index where it is missing: a new database got it with the first revision."""
    audit_rows_pages.create(op.get_bind(), checkfirst=True)
