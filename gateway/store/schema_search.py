"""The tables of the search index: how far it has read the journal, and by which keyed digests it finds records.

No value stands here, only blind digests of values under a key of the tenant, and when a record changed, which its
change says as well.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, SmallInteger, String, Table, Text

from gateway.store.binary import Binary
from gateway.store.metadata import metadata

search_indexes = Table(
    "search_indexes",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("edition", Text, nullable=False, doc="record types it holds and the form of its digests, JSON"),
    PrimaryKeyConstraint("tenant"),
)

search_cursors = Table(
    "search_cursors",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "lane"),
    sqlite_with_rowid=False,
)

search_records = Table(
    "search_records",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("record_id", Binary(16), nullable=False),
    Column("type", String(40), nullable=False),
    Column("at", BigInteger, nullable=False, doc="when its newest version was taken into the journal"),
    Column("blinds", Binary, nullable=False, doc="its digests one after another, 16 bytes each: what to take away"),
    PrimaryKeyConstraint("tenant", "record_id"),
    Index("search_records_at", "tenant", "type", "at", "record_id"),
    sqlite_with_rowid=False,
)

search_keys = Table(
    "search_keys",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("blind", Binary(16), nullable=False, doc="keyed digest of record type, parameter and value"),
    Column("record_id", Binary(16), nullable=False),
    PrimaryKeyConstraint("tenant", "blind", "record_id"),
    sqlite_with_rowid=False,
)

search_days = Table(
    "search_days",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("blind", Binary(16), nullable=False, doc="keyed digest of a day, month or year on which some record is"),
    PrimaryKeyConstraint("tenant", "blind"),
    sqlite_with_rowid=False,
)

TABLES = (search_indexes, search_cursors, search_records, search_keys, search_days)
