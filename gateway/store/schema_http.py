"""The tables of the HTTP room: who may ask, with which secrets, and what each page told of whom."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from gateway.store.binary import Binary
from gateway.store.binding import mac_column
from gateway.store.metadata import metadata

clients = Table(
    "clients",
    metadata,
    Column("client", String(40), primary_key=True, doc="looked up before anybody knows the tenant"),
    Column("tenant", String(64), nullable=False),
    Column("name", String(120), nullable=False),
    Column("view", String(64), nullable=False),
    Column("purpose", String(40), nullable=False),
    Column("recipient", String(120), nullable=False),
    Column("scopes", Text, nullable=False, doc="space separated; empty is all that the view grants"),
    Column("locations", Text, nullable=False, doc="JSON list of record ids in hex; empty is all"),
    Column("hook_hosts", Text, nullable=False, doc="JSON list of hosts that subscriptions may name"),
    Column("quota", Integer, nullable=False, doc="requests a minute"),
    Column("jwks", Text, nullable=False, doc="public keys of SMART Backend Services, JSON; empty without"),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

client_secrets = Table(
    "client_secrets",
    metadata,
    Column("secret", String(16), primary_key=True, doc="the public part of a key or secret"),
    Column("client", String(40), nullable=False),
    Column("hash", Binary(32), nullable=False, doc="SHA-256 of the whole"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, doc="when a rotated one ends"),
    Index("client_secrets_client", "client"),
)

used_assertions = Table(
    "used_assertions",
    metadata,
    Column("client", String(40), nullable=False),
    Column("jti", Binary(32), nullable=False, doc="SHA-256 of the assertion's id"),
    Column("expires_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("client", "jti"),
    sqlite_with_rowid=False,
)

disclosures = Table(
    "disclosures",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("page", BigInteger, nullable=False, doc="the answer it was part of; its access entry names the page"),
    Column("patient", Binary(16), nullable=False),
    Column("client", String(40), nullable=False),
    Column("records", Integer, nullable=False),
    Column("types", Text, nullable=False, doc="record types, comma separated"),
    Column("view", Binary(32), nullable=False, doc="hash of the view's text: which fields were granted"),
    Column("recipient", String(120), nullable=False),
    Column("purpose", String(40), nullable=False),
    Column("at", BigInteger, nullable=False),
    mac_column(),
    PrimaryKeyConstraint("tenant", "page", "patient"),
    Index("disclosures_patient", "tenant", "patient"),
    sqlite_with_rowid=False,
)

exports = Table(
    "exports",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("export", String(40), nullable=False),
    Column("client", String(40), nullable=False),
    Column("request", Text, nullable=False, doc="what was asked for, JSON"),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "export"),
)

TABLES = (clients, client_secrets, used_assertions, disclosures, exports)
