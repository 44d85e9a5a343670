"""Going on after a loss: a log that lost entries, or its witnesses, may be used again only when a person says so.

What the witness saw beyond the database is put aside for the inquiry, never thrown away, and the acknowledgement is
itself an entry of the log: who took the loss on, when, and how much was lost. The file of heads begins anew with those
that the database still has, once they are proven; a witness elsewhere is given the newest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.audit.checkpoint import Checkpoint, Signer, Verifier
from gateway.audit.log import AuditLog, Store
from gateway.audit.verify import verify_audit
from gateway.audit.witness import FileWitness
from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.store import audit as rows


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken."""

    tenant: str
    seen: int
    """Entries that the witness saw."""
    found: int
    """Entries that the database has under a signed head."""
    missing: int
    """Signed heads of the database that the file beside the keystore lacked."""
    gone: Sequence[str]
    """Witnesses elsewhere that had heads and have none."""
    aside: str
    """The file in which the heads that were there are kept; empty when there was none."""


def acknowledge(
    store: Store, log: AuditLog, signer: Signer, witness: FileWitness, *, tenant: str, actor: str,
    gone: Sequence[str] = (),
) -> Loss:  # fmt: skip
    """Take on the loss of what the witness saw and the database lacks, or of heads that witnesses had.

    Args:
        store: the database.
        log: its audit log.
        signer: who signed its heads.
        witness: the file beside the keystore.
        tenant: whose log.
        actor: who takes it on.
        gone: names of witnesses elsewhere that had heads and have none.

    Raises:
        InvalidConfiguration: nothing is lost.
        IntegrityViolated: what is left does not agree with the witness either: that is no rollback but tampering.
    """
    verifier = Verifier([signer.public_key])
    heads = [verifier.open(note) for note in witness.notes()]
    stored = store.read_sync(lambda c: [(int(size), note) for size, note in rows.all_checkpoints(c, tenant)])
    found = max((size for size, _ in stored), default=0)
    seen = max((head.size for head in heads), default=0)
    sizes = {head.size for head in heads}
    missing = sum(size not in sizes for size, _ in stored[:-1])
    if seen <= found and not missing and not gone:
        raise InvalidConfiguration("The database has all that the witness saw", where=f"tenant {tenant}")
    kept = [head.note for head in heads if head.size <= found]
    report = store.read_sync(lambda c: verify_audit(c, tenant, [signer.public_key], kept or None))
    if not report.valid:
        first = report.findings[0]
        raise IntegrityViolated(
            f"What is left of the audit log was changed as well: {first.what}", where=first.where,
            fix="This is no rollback. Keep database and witness as they are, and restore a backup that verifies.",
        )  # fmt: skip
    rolled_back = seen > found
    entry = log.entry(
        tenant, action="acknowledge", actor=actor, purpose="rollback" if rolled_back else "witness",
        outcome="entries-lost" if rolled_back else "heads-lost",
        counts={"seen": seen, "found": found} | ({"heads": missing} if missing else {}), witnesses=tuple(gone),
    )  # fmt: skip
    log.commit(entry)
    aside = ""
    if rolled_back or missing:
        aside = _begin_again(witness, [verifier.open(note) for _, note in stored], seen)
    return Loss(tenant=tenant, seen=seen, found=found, missing=missing, gone=gone, aside=aside)


def _begin_again(witness: FileWitness, heads: Sequence[Checkpoint], seen: int) -> str:
    """Put the witness's file aside and go on with what the database has; a crash between leaves both or the old."""
    fresh = FileWitness(witness.path.with_name(witness.path.name + ".new"))
    fresh.path.unlink(missing_ok=True)
    fresh.path.touch(0o600)
    for head in heads:
        fresh.append(head)
    aside = _aside(witness.path, seen) if witness.path.exists() else None
    fresh.path.replace(witness.path)
    return "" if aside is None else aside.name


def _aside(path: Path, seen: int) -> Path:
    aside = path.with_name(f"{path.name}.lost-{seen}")
    while aside.exists():
        aside = aside.with_name(aside.name + "-again")
    aside.hardlink_to(path)
    return aside
