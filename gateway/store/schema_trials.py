"""The table of trials: what a normalizer had at hand, so that its next start knows what it may have died of."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, SmallInteger, String, Table, Text

from gateway.store.metadata import metadata

trials = Table(
    "trials",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("seat", SmallInteger, nullable=False, doc="which of the processes that share this store"),
    Column("named", Text, nullable=False, doc="JSON list of [message id, ends of a process it may have caused]"),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "seat"),
)
