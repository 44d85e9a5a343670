"""Run by Alembic: applies revisions on the connection that ``upgrade`` opened."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=True)
with connection.begin(), context.begin_transaction():
    context.run_migrations()
