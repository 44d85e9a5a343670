"""One tenant's audit log with everything that keeps it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from gateway.audit import AuditLog, AuditReport, Entry, FileWitness, Sequencer, Signer, export_bundle, verify_audit
from gateway.store.opening import Store


class Kept:
    """Writes entries, steps the sequencer by a clock of its own, and plays the attacker with plain SQL."""

    def __init__(self, store: Store, tenant: str, witness: Path) -> None:
        self.store = store
        self.tenant = tenant
        self.log = AuditLog(store)
        self.key = Ed25519PrivateKey.generate()
        self.signer = Signer(tenant, self.key)
        self.witness = FileWitness(witness)
        self.now = 0.0
        self.sequencer = self.new_sequencer()

    def new_sequencer(self) -> Sequencer:
        """What a new process would start with."""
        return Sequencer(self.tenant, self.signer, self.witness, clock=lambda: self.now)

    def entry(self, *messages: int) -> Entry:
        """An access entry."""
        return self.log.entry(
            self.tenant, action="access", actor="gateway:test", purpose="test", messages=messages or (1,)
        )

    def write(self, *entries: Entry, log: AuditLog | None = None) -> None:
        """Append entries in one unit of work."""
        self.store.write_sync(lambda connection: [(log or self.log).append(connection, one) for one in entries])

    def sign(self) -> None:
        """Let time pass, number everything, sign and tell the witness."""
        self.now += 10
        self.sequencer.advance(self.store.write_sync)

    def fill(self, rounds: Sequence[int] = (5, 3, 7, 1)) -> None:
        """A log with some checkpoints."""
        for count in rounds:
            self.write(*(self.entry(i) for i in range(count)))
            self.sign()

    def sql(self, statement: str, **values: object) -> None:
        """Change the database behind the gateway's back; ``:t`` is the tenant."""
        self.store.write_sync(lambda connection: connection.execute(text(statement), {"t": self.tenant, **values}))

    def rows(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        """Ask the database."""
        query = text(statement)
        return self.store.read_sync(
            lambda connection: [tuple(row) for row in connection.execute(query, {"t": self.tenant, **values})]
        )

    def verify(self, notes: Sequence[str] | None = None) -> AuditReport:
        """The recount, with what the witness has unless told otherwise."""
        told = self.witness.notes() if notes is None else list(notes)
        return self.store.read_sync(
            lambda connection: verify_audit(
                connection, self.tenant, [self.signer.public_key], told, beside=told if notes is None else None
            )
        )

    def faults(self) -> set[str]:
        """Which kinds of fault the recount finds."""
        return {finding.reason for finding in self.verify().findings}

    def bundle(self) -> str:
        """The exported log."""
        out = io.StringIO()
        self.store.read_sync(lambda c: export_bundle(c, self.tenant, [self.signer.public_key], out))
        return out.getvalue()
