"""What a person wants of a route, where it is not simply to run; and which receivers are left alone for a while."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, String, Table

from gateway.store.binary import Binary
from gateway.store.metadata import metadata

route_states = Table(
    "route_states",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("route", String(64), nullable=False),
    Column("state", String(12), nullable=False, doc="paused, draining or waking; a route that simply runs has no row"),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "route"),
)

rests = Table(
    "rests",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("endpoint", Binary(16), nullable=False, doc="keyed digest of the peer's address"),
    Column("count", Integer, nullable=False, doc="how often in a row it failed everybody"),
    Column("until", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "endpoint"),
    sqlite_with_rowid=False,
)

TABLES = (route_states, rests)
