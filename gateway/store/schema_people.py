"""The tables of people: their accounts, sessions, failed sign-ins, passkeys, and each use of the emergency role."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, PrimaryKeyConstraint, String, Table, Text

from gateway.store.binary import Binary
from gateway.store.metadata import metadata

people = Table(
    "people",
    metadata,
    Column("person", String(40), primary_key=True, doc="one person's name, never used again for another"),
    Column("tenants", Text, nullable=False, doc="JSON list of the clinic groups they may see"),
    Column("role", String(40), nullable=False),
    Column("view", String(64), nullable=False, doc="empty is the role's own"),
    Column("locations", Text, nullable=False, doc="JSON list of record ids in hex; empty is all"),
    Column("password", Text, nullable=False, doc="argon2id; empty for those who sign in elsewhere"),
    Column("nonce", Binary(16), nullable=False, doc="from which the second factor is derived"),
    Column("step", BigInteger, nullable=False, doc="the last one-time code's step: none is good twice"),
    Column("temporary", Boolean, nullable=False, doc="the password was made for them and must be changed"),
    Column("subject", Binary(32), doc="SHA-256 of issuer and subject, for those who sign in elsewhere"),
    Column("created_at", BigInteger, nullable=False),
    Column("locked_at", BigInteger),
    Index("people_subject", "subject"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session", Binary(32), primary_key=True, doc="SHA-256 of what the cookie holds"),
    Column("person", String(40), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Index("sessions_person", "person"),
)

failures = Table(
    "sign_in_failures",
    metadata,
    Column("whose", Binary(32), nullable=False, doc="SHA-256 of the name or address that was tried, known or not"),
    Column("at", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint("whose", "at", "number"),
)

breakglass = Table(
    "breakglass",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("use", String(40), nullable=False),
    Column("actor", String(120), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("key_id", BigInteger, nullable=False),
    Column("wrapped", Binary, nullable=False),
    Column("box", Binary, nullable=False, doc="the reason in words: it may name a patient"),
    Column("reviewed_at", BigInteger),
    Column("reviewer", String(120)),
    Column("verdict", String(12), doc="justified or unjustified"),
    PrimaryKeyConstraint("tenant", "use"),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("credential", Binary(1023), primary_key=True, doc="the authenticator's id of it"),
    Column("person", String(40), nullable=False),
    Column("name", String(40), nullable=False, doc="what its person calls it"),
    Column("public_key", Binary, nullable=False, doc="COSE"),
    Column("proof", Binary(32), nullable=False, doc="keyed digest of person, credential and key"),
    Column("uses", BigInteger, nullable=False, doc="what the authenticator counted last"),
    Column("asked_at", BigInteger, nullable=False, doc="when the question it answered last was asked"),
    Column("created_at", BigInteger, nullable=False),
    Index("passkeys_person", "person", "name", unique=True),
)
"""Not among :data:`TABLES`, which an earlier revision made."""

TABLES = (people, sessions, failures, breakglass)
