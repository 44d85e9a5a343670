"""The tables of reactors: how far each has read, which records it groups, when it looks again, what it made.

A group's key and the native ids of what it made may tell of a patient: they are in the box. A group is known by a keyed
digest of its key.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, SmallInteger, String, Table, Text

from gateway.store.binary import Binary
from gateway.store.metadata import metadata

reactors = Table(
    "reactors",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("reactor", String(64), nullable=False),
    Column("edition", Binary(32), nullable=False, doc="hash of reactor, version and settings"),
    Column("catch_up", Text, nullable=False, doc="JSON list of 64 lane positions to read before anything is derived"),
    PrimaryKeyConstraint("tenant", "reactor"),
)

reactor_cursors = Table(
    "reactor_cursors",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("reactor", String(64), nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "reactor", "lane"),
    sqlite_with_rowid=False,
)

reactor_members = Table(
    "reactor_members",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("reactor", String(64), nullable=False),
    Column("group_id", Binary(16), nullable=False),
    Column("record_id", Binary(16), nullable=False),
    PrimaryKeyConstraint("tenant", "reactor", "group_id", "record_id"),
    Index("reactor_members_record", "tenant", "reactor", "record_id"),
    sqlite_with_rowid=False,
)

reactor_joins = Table(
    "reactor_joins",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("reactor", String(64), nullable=False),
    Column("group_id", Binary(16), nullable=False),
    Column("record_id", Binary(16), nullable=False, doc="a member whose groups are derived together"),
    PrimaryKeyConstraint("tenant", "reactor", "group_id", "record_id"),
    Index("reactor_joins_record", "tenant", "reactor", "record_id"),
    sqlite_with_rowid=False,
)

reactor_groups = Table(
    "reactor_groups",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("reactor", String(64), nullable=False),
    Column("group_id", Binary(16), nullable=False, doc="keyed digest of its key"),
    Column("turn", BigInteger, nullable=False, doc="counts up with each write, so that two writers see each other"),
    Column("due_at", BigInteger, doc="when to derive it: 0 at once, none before something changes"),
    Column("derived_at", BigInteger, nullable=False, doc="the time it was derived for; never goes back"),
    Column("told", Binary(16), nullable=False, doc="keyed digest of what was derived last"),
    Column("key_id", BigInteger, nullable=False),
    Column("wrapped", Binary, nullable=False),
    Column("box", Binary, nullable=False, doc="its key, and type and native id of what it made"),
    PrimaryKeyConstraint("tenant", "reactor", "group_id"),
    Index("reactor_groups_due", "tenant", "reactor", "due_at"),
    sqlite_with_rowid=False,
)

reactor_made = Table(
    "reactor_made",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("reactor", String(64), nullable=False),
    Column("record_id", Binary(16), nullable=False),
    Column("group_id", Binary(16), nullable=False, doc="the group that makes it; when it moves on, the newer one"),
    PrimaryKeyConstraint("tenant", "reactor", "record_id"),
    sqlite_with_rowid=False,
)

TABLES = (reactors, reactor_cursors, reactor_members, reactor_joins, reactor_groups, reactor_made)
