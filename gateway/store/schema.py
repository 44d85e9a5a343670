"""The tables of a message's life, in the order in which they are written.

Every key starts with the tenant, so the schema distributes by tenant. Times are microseconds since 1970 in UTC, record
ids the 16 bytes of a UUID. Nothing here is a status column that says what happened: what happened is told by which rows
exist, so that a recount can contradict them. Columns that end in ``box`` are sealed, ``wrapped`` is the data key that
opens them, itself sealed under the key ``key_id`` of the keystore. What has a ``mac`` is never changed but for columns
that say so (:mod:`gateway.store.binding`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
)

from gateway.store.binary import Binary
from gateway.store.binding import MOVES, mac_column
from gateway.store.metadata import metadata

LANES = 64
"""Fixed partitions of a tenant's journal."""

messages = Table(
    "messages",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("source", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("control_id", String(200), nullable=False),
    Column("digest", Binary(32), nullable=False, doc="keyed digest of the bytes"),
    Column("received_at", BigInteger, nullable=False),
    Column("lane", SmallInteger, nullable=False, doc="by order key: who is normalized after whom; twin of a back-fill"),
    Column("context_id", BigInteger, doc="the envelope this message was cut from"),
    Column("repeat_of", BigInteger, doc="the first message with this control id and these bytes; then there is no box"),
    Column("conflict", Boolean, nullable=False, doc="the control id came before with other bytes"),
    Column("answer", String(2), nullable=False, doc="acknowledgement given: AA, or AE and AR for evidence"),
    Column("place", String(120), nullable=False, doc="where the fault is, for evidence"),
    Column("reason", String(80), nullable=False, doc="which fault it is, for evidence"),
    Column("box", Binary, info=MOVES),
    mac_column(),
    PrimaryKeyConstraint("tenant", "message_id"),
    Index("messages_control", "tenant", "source", "control_id"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("key_id", BigInteger, nullable=False),
    Column("wrapped", Binary, nullable=False),
    PrimaryKeyConstraint("tenant", "lane", "message_id"),
    sqlite_with_rowid=False,
)

contexts = Table(
    "contexts",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("context_id", BigInteger, nullable=False),
    Column("key_id", BigInteger, nullable=False, info=MOVES),
    Column("wrapped", Binary, nullable=False, info=MOVES),
    Column("box", Binary, nullable=False),
    mac_column(),
    PrimaryKeyConstraint("tenant", "context_id"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("attempt", SmallInteger, nullable=False),
    Column("outcome", String(12), nullable=False, doc="normalized, suppressed, quarantined or released"),
    Column("reason", String(80), nullable=False),
    Column("place", String(120), nullable=False),
    Column("fix", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("adapter", String(80), nullable=False),
    Column("mapping", Binary(32)),
    Column("changes", Integer, nullable=False),
    Column("key_id", BigInteger, info=MOVES),
    Column("wrapped", Binary, info=MOVES),
    mac_column(),
    PrimaryKeyConstraint("tenant", "message_id", "attempt"),
    sqlite_with_rowid=False,
)

records = Table(
    "records",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("record_id", Binary(16), nullable=False),
    Column("type", String(40), nullable=False),
    Column("source", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("content", Binary(16), nullable=False, doc="keyed hash of the fields"),
    Column("source_version", String(64), nullable=False),
    Column("patient", Binary(16)),
    Column("lane", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False, doc="the change that made this version"),
    Column("removed", Boolean, nullable=False),
    mac_column(),
    PrimaryKeyConstraint("tenant", "record_id"),
    sqlite_with_rowid=False,
)

records_listed = Index("records_listed", records.c.tenant, records.c.type, records.c.patient, records.c.record_id)
"""Lists and searches go by type, and in one type patient by patient: a page then concerns few of them."""

lanes = Table(
    "lanes",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("head", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "lane"),
    sqlite_with_rowid=False,
)

changes = Table(
    "changes",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("kind", String(8), nullable=False, doc="created, updated, removed, merged or barrier"),
    Column("record_id", Binary(16), nullable=False),
    Column("type", String(40), nullable=False),
    Column("source", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("patient", Binary(16)),
    Column("location", Binary(16)),
    Column("message_id", BigInteger, nullable=False),
    Column("mapping", Binary(32)),
    Column("adapter", String(80), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Column("partner_lane", SmallInteger, doc="of a barrier: the other patient's lane"),
    Column("partner_position", BigInteger, doc="of a barrier: its twin in that lane"),
    Column("key_id", BigInteger, info=MOVES),
    Column("wrapped", Binary, info=MOVES),
    Column("box", Binary, info=MOVES),
    Column("left_location", Binary(16), doc="where the record was before, when this change took it elsewhere"),
    mac_column(),
    PrimaryKeyConstraint("tenant", "lane", "position"),
    Index("changes_record", "tenant", "record_id"),
)

residue = Table(
    "residue",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("source", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("path", String(120), nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "source", "kind", "path"),
)

routes = Table(
    "routes",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("route", String(64), nullable=False),
    Column("edition", Integer, nullable=False, doc="counts up when the filter changes"),
    Column("filter", Text, nullable=False),
    Column("start", Text, nullable=False, doc="JSON list of 64 lane positions from which this edition holds"),
    Column("at", BigInteger, nullable=False),
    mac_column(),
    PrimaryKeyConstraint("tenant", "route", "edition"),
)

route_cursors = Table(
    "route_cursors",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("route", String(64), nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "route", "lane"),
    sqlite_with_rowid=False,
)

claims = Table(
    "claims",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("route", String(64), nullable=False),
    Column("claim_id", BigInteger, nullable=False),
    Column("items", Text, nullable=False, doc="JSON list of [lane, position, attempts]"),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "route", "claim_id"),
)

waiting = Table(
    "waiting",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("route", String(64), nullable=False),
    Column("order_key", Binary(16), nullable=False, doc="the patient, or the record of no patient"),
    Column("lane", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("reason", String(120), nullable=False),
    PrimaryKeyConstraint("tenant", "route", "order_key", "lane", "position"),
    sqlite_with_rowid=False,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("route", String(64), nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("attempt", SmallInteger, nullable=False),
    Column("outcome", String(12), nullable=False, doc="delivered, suppressed, quarantined, expired or released"),
    Column("reason", String(120), nullable=False),
    Column("receipt", Text, nullable=False),
    Column("effect", Binary(16), nullable=False),
    Column("patient", Binary(16)),
    Column("recipient", String(120), nullable=False),
    Column("purpose", String(40), nullable=False),
    Column("fields", Text, nullable=False, doc="what was disclosed, comma separated"),
    Column("at", BigInteger, nullable=False),
    mac_column(),
    PrimaryKeyConstraint("tenant", "route", "lane", "position", "attempt"),
    Index("deliveries_patient", "tenant", "patient"),
    sqlite_with_rowid=False,
)

source_cursors = Table(
    "source_cursors",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("source", String(64), nullable=False),
    Column("stream", String(64), nullable=False),
    Column("cursor", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "source", "stream"),
)

texts = Table(
    "texts",
    metadata,
    Column("hash", Binary(32), primary_key=True),
    Column("kind", String(16), nullable=False, doc="mapping or view"),
    Column("body", Text, nullable=False),
    mac_column(),
)

blocks = Table(
    "blocks", metadata, Column("name", String(32), primary_key=True), Column("next", BigInteger, nullable=False)
)
