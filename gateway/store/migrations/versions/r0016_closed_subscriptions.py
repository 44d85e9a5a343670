"""Closed subscriptions: which ended ones nobody has to look at any more."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, inspect

from gateway.store.schema_hooks import subscriptions

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the column and its index where they are missing: a new database got them with the first revision."""
    found = {one["name"] for one in inspect(op.get_bind()).get_columns(subscriptions.name)}
    closed_at = subscriptions.c.closed_at
    if closed_at.name not in found:
        op.add_column(subscriptions.name, Column(closed_at.name, closed_at.type))
        op.create_index("subscriptions_open", subscriptions.name, [closed_at.name])
