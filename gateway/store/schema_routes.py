"""What a person wants of a route, where it is not simply to run."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, String, Table

from gateway.store.metadata import metadata

route_states = Table(
    "route_states",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("route", String(64), nullable=False),
    Column("state", String(12), nullable=False, doc="running, paused or draining"),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "route"),
)

TABLES = (route_states,)
