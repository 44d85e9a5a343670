"""The tables beside the vault: by what records are found, who was shredded here, and what must be kept."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, SmallInteger, String, Table

from gateway.store.binary import Binary
from gateway.store.binding import mac_column
from gateway.store.metadata import metadata

patient_index = Table(
    "patient_index",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("kind", SmallInteger, nullable=False, doc="which blind index: MRN, phone, name and birth date"),
    Column("blind", Binary(16), nullable=False, doc="keyed digest of the normalised value"),
    Column("record_id", Binary(16), nullable=False),
    PrimaryKeyConstraint("tenant", "kind", "blind", "record_id"),
    Index("patient_index_record", "tenant", "record_id"),
    sqlite_with_rowid=False,
)

shreds = Table(
    "shreds",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("patient", Binary(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    mac_column(),
    PrimaryKeyConstraint("tenant", "patient"),
    sqlite_with_rowid=False,
)

holds = Table(
    "holds",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("hold", String(32), nullable=False),
    Column("patient", Binary(16), doc="whose data must be kept; everybody's when there is none"),
    Column("reason", String(200), nullable=False),
    Column("by", String(200), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    PrimaryKeyConstraint("tenant", "hold"),
)

told_of = Table(
    "told_of",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("patient", Binary(16), nullable=False),
    mac_column(),
    PrimaryKeyConstraint("tenant", "message_id", "patient"),
    Index("told_of_patient", "tenant", "patient"),
    sqlite_with_rowid=False,
)
"""Everybody of whom a message tells that tells of several: its changes alone do not name whom it left as they were."""

aliases = Table(
    "aliases",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("alias", Binary(16), nullable=False, doc="the record id that references by this name lead to by themselves"),
    Column("record_id", Binary(16), nullable=False),
    PrimaryKeyConstraint("tenant", "alias", "record_id"),
    Index("aliases_record", "tenant", "record_id"),
    sqlite_with_rowid=False,
)

alias_waits = Table(
    "alias_waits",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("alias", Binary(16), nullable=False),
    Column("record_id", Binary(16), nullable=False, doc="what the message told of"),
    Column("message_id", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "alias", "record_id"),
    sqlite_with_rowid=False,
)
"""The last message about each record that named another one by an alias which led to none."""

TABLES = (patient_index, shreds, holds)
