"""Recount the audit log: is every row there, in its place, unchanged, and as long as the witness remembers?

The recount believes nothing that the database says about itself: leaves are hashed again from the rows, heads are
computed again from the leaves, and both are compared with what was signed, here and at the witness.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from gateway.audit.checkpoint import Verifier, origin_of, parse
from gateway.audit.merkle import Frontier, leaf_hash
from gateway.audit.sequencer import leaf_data
from gateway.errors import IntegrityViolated
from gateway.model.exchange import Finding
from gateway.store import audit as rows

MOST_FINDINGS = 1000
"""A log torn apart is told by its first faults; the rest are only counted."""


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a recount found."""

    tenant: str
    findings: tuple[Finding, ...]
    faults: int
    """How many faults there are; findings are the first of them."""
    rows: int
    leaves: int
    checkpoints: int
    pending: int
    """Rows not numbered yet: normal for about a second."""
    unsigned: int
    """Leaves after the last signed head: normal for about a second."""
    witnessed: int
    """The greatest size that a witness has confirmed."""

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return self.faults == 0


def verify_audit(
    connection: Connection,
    tenant: str,
    public_keys: Sequence[str],
    witness_notes: Sequence[str] | None,
    silent: Sequence[str] = (),
    *,
    gone: Sequence[str] = (),
    beside: Sequence[str] | None = None,
) -> AuditReport:
    """Recount one tenant's log.

    Args:
        connection: reads the log; on PostgreSQL the log may grow meanwhile.
        tenant: whose log.
        public_keys: verifier keys, from the keystore or from the auditor's own records; never from the database.
        witness_notes: what the witness has, read before this call; None if there is no witness.
        silent: names of witnesses that could not be asked: what they have seen is not proven to be there.
        gone: names of witnesses that had heads of this log by its own word, and have none.
        beside: what the file beside the keystore has, which is given every head; None where that is not known.
    """
    recount = _Recount(tenant, Verifier(list(public_keys)))
    for name in silent:
        recount.fault("witness-silent", "A witness could not be asked what it has seen", f"witness {name}")
    for name in gone:
        recount.fault("witness-gone", "A witness that had heads of this log has none any more", f"witness {name}")
    return recount.run(connection, witness_notes, beside)


class _Recount:
    def __init__(self, tenant: str, verifier: Verifier) -> None:
        self._tenant = tenant
        self._verifier = verifier
        self._origin = origin_of(tenant)
        self._findings: list[Finding] = []
        self._faults = 0
        self._heads: defaultdict[int, list[tuple[bytes, str]]] = defaultdict(list)
        self._numbered: dict[int, int] = {}
        self._tree = Frontier()

    def run(
        self, connection: Connection, witness_notes: Sequence[str] | None, beside: Sequence[str] | None
    ) -> AuditReport:
        """The order matters: what is read later may only be longer, so a growing log is not called cut."""
        witnessed = self._read_witness(witness_notes or ())
        sizes = self._read_checkpoints(connection)
        for size in sorted(witnessed - sizes):
            self.fault("checkpoint-missing", "A head that the witness has is not in the database", f"size {size}")
        if witness_notes is not None and not witnessed and len(sizes) > 1:
            self.fault("witness-empty", "The witness has no head of this log", "witness")
        if beside is not None:
            self._compare_beside(sizes, beside)
        self._read_leaves(connection)
        for size in sorted(size for size in self._heads if size > self._tree.size):
            for _, where in self._heads[size]:
                self.fault("log-truncated", f"The log has {self._tree.size} leaves and was signed longer", where)
        pending = self._read_pending(connection)
        return AuditReport(
            tenant=self._tenant,
            findings=tuple(self._findings),
            faults=self._faults,
            rows=rows.row_count(connection, self._tenant),
            leaves=self._tree.size,
            checkpoints=len(sizes),
            pending=pending,
            unsigned=max(0, self._tree.size - max(sizes, default=0)),
            witnessed=max(witnessed, default=0),
        )

    def fault(self, reason: str, what: str, where: str) -> None:
        """Note a fault."""
        self._faults += 1
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(Finding(reason=reason, what=what, where=where))

    def _read_witness(self, notes: Sequence[str]) -> set[int]:
        sizes = set()
        for note in notes:
            if not note.startswith(f"{self._origin}\n"):
                continue
            try:
                checkpoint = self._verifier.open(note)
            except IntegrityViolated as error:
                self.fault("witness-forged", error.what, f"witness {error.where}")
                continue
            sizes.add(checkpoint.size)
            self._heads[checkpoint.size].append((checkpoint.root, f"witness size {checkpoint.size}"))
        return sizes

    def _compare_beside(self, sizes: set[int], beside: Sequence[str]) -> None:
        """Every head was given to the file before the next was signed, so it lacks at most the newest."""
        kept = {parse(note)[0].size for note in beside if note.startswith(f"{self._origin}\n")}
        newest = max(kept, default=max(sizes, default=0))
        lacking = sorted(size for size in sizes - kept if size < newest)
        if lacking:
            what = f"{len(lacking)} signed heads of the database are not in the file of heads beside the keystore"
            self.fault("witness-lacks", what, f"the first is of size {lacking[0]}")

    def _read_checkpoints(self, connection: Connection) -> set[int]:
        sizes = set()
        for size, note in rows.all_checkpoints(connection, self._tenant):
            where = f"checkpoint {size}"
            sizes.add(size)
            try:
                checkpoint = self._verifier.open(note)
            except IntegrityViolated as error:
                self.fault("checkpoint-forged", error.what, where)
                continue
            if checkpoint.origin != self._origin or checkpoint.size != size:
                self.fault("checkpoint-swapped", "A head belongs to another log or another size", where)
                continue
            self._heads[size].append((checkpoint.root, where))
        return sizes

    def _read_leaves(self, connection: Connection) -> None:
        kept = rows.all_nodes(connection, self._tenant)
        for leaf, writer, seq, hashed, body in rows.leaves_with_rows(connection, self._tenant):
            where = f"leaf {leaf}, writer {writer}, row {seq}"
            if leaf != self._tree.size:
                self.fault("leaf-missing", f"Leaf {self._tree.size} should come next", where)
            if seq != self._numbered.get(writer, 0) + 1:
                self.fault("row-skipped", "A writer's rows are not numbered one after the other", where)
            self._numbered[writer] = seq
            if body is None:
                self.fault("row-missing", "The row of a leaf is gone", where)
            elif leaf_hash(leaf_data(self._tenant, writer, seq, bytes(body))) != bytes(hashed):
                self.fault("row-changed", "A row is not what was numbered", where)
            self._tree.append(bytes(hashed))
            self._compare_nodes(kept)
            for root, signed in self._heads.get(self._tree.size, ()):
                if root != self._tree.root():
                    self.fault("head-differs", "The log does not lead to the head that was signed", signed)

    def _compare_nodes(self, kept: dict[tuple[int, int], bytes]) -> None:
        """Kept inner nodes are only there to be quick; a wrong one would spoil proofs."""
        for level, at, node in self._tree.grown:
            if kept.get((level, at), node) != node:
                self.fault("node-changed", "A kept node of the tree is not the head of its leaves", f"{level}/{at}")
        self._tree.grown.clear()

    def _read_pending(self, connection: Connection) -> int:
        known = rows.known_writers(connection)
        expected = dict(self._numbered)
        pending = 0
        for writer, seq, _ in rows.rows_ahead(connection, self._tenant, self._numbered):
            where = f"writer {writer}, row {seq}"
            if writer not in known:
                self.fault("writer-unknown", "A row names a writer that never registered", where)
            if seq != expected.get(writer, 0) + 1:
                self.fault("row-missing", "A row before this one is gone", where)
            expected[writer] = seq
            pending += 1
        return pending
