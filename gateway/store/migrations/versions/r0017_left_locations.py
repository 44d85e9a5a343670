"""Left locations: where records were before a change took them elsewhere."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, inspect

from gateway.store.schema import changes

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the column where it is missing: a new database got it with the first revision."""
    found = {one["name"] for one in inspect(op.get_bind()).get_columns(changes.name)}
    left = changes.c.left_location
    if left.name not in found:
        op.add_column(changes.name, Column(left.name, left.type))
