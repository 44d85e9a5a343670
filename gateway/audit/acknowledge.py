"""Going on after a rollback: a database that lost audit entries may be used again only when a person says so.

What the witness saw beyond the database is put aside for the inquiry, never thrown away, and the acknowledgement is
itself an entry of the log: who took the loss on, when, and how many entries were lost.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from gateway.audit.checkpoint import Checkpoint, Signer, Verifier
from gateway.audit.log import AuditLog, Store
from gateway.audit.verify import verify_audit
from gateway.audit.witness import FileWitness
from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.store import audit as rows


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What a rollback took."""

    tenant: str
    seen: int
    """Entries that the witness saw."""
    found: int
    """Entries that the database has under a signed head."""
    aside: str
    """The file in which the heads that were lost are kept."""


def acknowledge(store: Store, log: AuditLog, signer: Signer, witness: FileWitness, *, tenant: str, actor: str) -> Loss:
    """Take on the loss of what the witness saw and the database lacks.

    Raises:
        InvalidConfiguration: nothing is lost.
        IntegrityViolated: what is left does not agree with the witness either: that is no rollback but tampering.
    """
    verifier = Verifier([signer.public_key])
    heads = [verifier.open(note) for note in witness.notes()]
    last = store.read_sync(lambda connection: rows.last_checkpoint(connection, tenant))
    found = 0 if last is None else int(last.size)
    seen = max((head.size for head in heads), default=0)
    if seen <= found:
        raise InvalidConfiguration("The database has all that the witness saw", where=f"tenant {tenant}")
    kept = [head for head in heads if head.size <= found]
    report = store.read_sync(lambda c: verify_audit(c, tenant, [signer.public_key], [head.note for head in kept]))
    if not report.valid:
        first = report.findings[0]
        raise IntegrityViolated(
            f"What is left of the audit log was changed as well: {first.what}", where=first.where,
            fix="This is no rollback. Keep database and witness as they are, and restore a backup that verifies.",
        )  # fmt: skip
    entry = log.entry(
        tenant, action="acknowledge", actor=actor, purpose="rollback", outcome="entries-lost",
        counts={"seen": seen, "found": found},
    )  # fmt: skip
    store.write_sync(lambda connection: log.append(connection, entry))
    aside = _begin_again(witness, kept, seen)
    return Loss(tenant=tenant, seen=seen, found=found, aside=aside.name)


def _begin_again(witness: FileWitness, kept: list[Checkpoint], seen: int) -> Path:
    """Put the witness's file aside and go on with what the database has; a crash between leaves both or the old."""
    aside = witness.path.with_name(f"{witness.path.name}.lost-{seen}")
    while aside.exists():
        aside = aside.with_name(aside.name + "-again")
    fresh = FileWitness(witness.path.with_name(witness.path.name + ".new"))
    fresh.path.unlink(missing_ok=True)
    fresh.path.touch(0o600)
    for head in kept:
        fresh.append(head)
    aside.hardlink_to(witness.path)
    fresh.path.replace(witness.path)
    return aside
