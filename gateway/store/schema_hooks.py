"""Subscriptions of clients: where each is told of changes, of which types, and how much it is told."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from gateway.store.metadata import metadata

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("subscription", String(16), nullable=False),
    Column("client", String(40), nullable=False),
    Column("url", Text, nullable=False, doc="sealed, and with it what a FHIR client asked for in words"),
    Column("types", Text, nullable=False, doc="record types, space separated; never none"),
    Column("content", String(8), nullable=False, doc="full, thin or empty"),
    Column("asked", Text, nullable=False, doc="fhir of a FHIR client; empty of a REST hook"),
    Column("generation", Integer, nullable=False, doc="of the signing secret; counts up when it is rotated"),
    Column("rotated_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("closed_at", BigInteger, doc="when all it had not delivered had its verdict: nobody looks at it again"),
    PrimaryKeyConstraint("tenant", "subscription"),
    Index("subscriptions_client", "client"),
    Index("subscriptions_open", "closed_at"),
)

TABLES = (subscriptions,)
