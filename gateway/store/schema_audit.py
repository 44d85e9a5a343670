"""The tables of the audit log: rows as written, their numbers in the tree, and the signed heads."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, String, Table, Text, text

from gateway.store.metadata import metadata

audit_writers = Table(
    "audit_writers",
    metadata,
    Column("writer", Integer, primary_key=True, autoincrement=True, doc="one per start of a process; never used twice"),
    Column("started", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

audit_rows = Table(
    "audit_rows",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("writer", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False, doc="from 1, without a gap per tenant and writer"),
    Column("body", LargeBinary, nullable=False, doc="canonical JSON"),
    PrimaryKeyConstraint("tenant", "writer", "seq"),
    sqlite_with_rowid=False,
)

PAGES = b'"pages":['
"""How an entry that names pages is told in its canonical text."""
NAMES_PAGES = {
    "sqlite": f"instr(body, x'{PAGES.hex()}') > 0",
    "postgresql": f"position(decode('{PAGES.hex()}', 'hex') in body) > 0",
}
"""The same as a condition of each database; the index below serves only what is asked in these words."""

audit_rows_pages = Index(
    "audit_rows_pages", audit_rows.c.tenant, audit_rows.c.writer, audit_rows.c.seq,
    sqlite_where=text(NAMES_PAGES["sqlite"]), postgresql_where=text(NAMES_PAGES["postgresql"]),
)  # fmt: skip
"""Few entries name pages: what pages told is recounted without reading all others."""

audit_leaves = Table(
    "audit_leaves",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("leaf", BigInteger, nullable=False, doc="position in the tree, from 0"),
    Column("writer", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    PrimaryKeyConstraint("tenant", "leaf"),
    Index("audit_leaves_row", "tenant", "writer", "seq", unique=True),
    sqlite_with_rowid=False,
)

audit_nodes = Table(
    "audit_nodes",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("level", Integer, nullable=False, doc="8, 16, 24: how many levels above the leaves"),
    Column("node", BigInteger, nullable=False, doc="position in its level, from 0"),
    Column("hash", LargeBinary(32), nullable=False),
    PrimaryKeyConstraint("tenant", "level", "node"),
    sqlite_with_rowid=False,
)
"""Heads of full subtrees, so that a proof reads hundreds of hashes and not millions; made again from leaves if lost."""

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("note", Text, nullable=False, doc="signed head of the tree, C2SP form"),
    Column("frontier", LargeBinary, nullable=False, doc="roots of the full subtrees, to go on without reading the log"),
    PrimaryKeyConstraint("tenant", "size"),
)

agreements = Table(
    "agreements",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("agreement", String(40), nullable=False),
    Column("party", String(120), nullable=False, doc="the recipient, as routes and clients name it"),
    Column("document", String(200), nullable=False, doc="where the signed paper is kept"),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, doc="the day on which it lapses; none when it has no end"),
    Column("added_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, doc="when somebody ended it before its time"),
    PrimaryKeyConstraint("tenant", "agreement"),
)

TABLES = (audit_nodes, agreements)
"""Those that came after the first revision."""
