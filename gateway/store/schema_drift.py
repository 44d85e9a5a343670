"""The tables of drift: what each source's records look like, what has drifted, and which fields are held for it.

No value of a patient stands in any of them: forms hold names of places, types and counts; an alarm's codes stand in
places that a mapping reads by a code table that rejects what it does not list.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, SmallInteger, String, Table, Text

from gateway.store.binary import Binary
from gateway.store.metadata import metadata

drift_forms = Table(
    "drift_forms",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("source", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("form", Text, nullable=False, doc="what was learnt, as JSON"),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "source", "kind"),
)

drift_alarms = Table(
    "drift_alarms",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("source", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("place", String(120), nullable=False),
    Column("what", String(24), nullable=False, doc="vanished, type, emptied, or why a field could not be read"),
    Column("state", String(10), nullable=False, doc="open, accepted, or resolved"),
    Column("count", BigInteger, nullable=False, doc="messages that showed it"),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("mapping", Binary(32), nullable=False, doc="hash of the mapping that met it"),
    Column("detail", Text, nullable=False, doc="fields, rule, table, codes, types, as JSON"),
    PrimaryKeyConstraint("tenant", "source", "kind", "place", "what"),
)

drift_held = Table(
    "drift_held",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("record_id", Binary(16), nullable=False),
    Column("field", String(64), nullable=False),
    Column("source", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("place", String(120), nullable=False),
    Column("what", String(24), nullable=False),
    Column("message_id", BigInteger, nullable=False, doc="the newest message that holds it"),
    Column("released", SmallInteger, nullable=False, doc="1 while that message waits to be read again for it"),
    PrimaryKeyConstraint("tenant", "record_id", "field"),
    Index("drift_held_place", "tenant", "source", "kind", "place", "what"),
    Index("drift_held_message", "tenant", "message_id"),
)

TABLES = (drift_forms, drift_alarms, drift_held)
