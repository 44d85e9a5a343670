"""The sequencer: gives audit rows their places in the tree and signs its head.

One per tenant in each process; of several processes that share a store one at a time numbers. Its memory (the
frontier) is only a copy of what the database says: each step compares the two and reads again when a commit failed or
somebody else went on, so a step may be undone or repeated at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection

from gateway.audit.checkpoint import Checkpoint, Signer, Verifier
from gateway.audit.merkle import Frontier, leaf_hash
from gateway.audit.witness import FileWitness
from gateway.errors import IntegrityViolated, StoreUnavailable
from gateway.store import audit as rows

MOST = 1000
"""Rows numbered in one step: some ten milliseconds of the writer's time."""
TURN_SECONDS = 0.1
"""Seconds until the next try, while another process that shares the store numbers."""
MOST_TURNS = 300

log = structlog.get_logger(__name__)


def leaf_data(tenant: str, writer: int, seq: int, body: bytes) -> bytes:
    """What a leaf stands for: a row with its place, so that rows cannot trade places either."""
    name = tenant.encode()
    return len(name).to_bytes(2, "big") + name + writer.to_bytes(8, "big") + seq.to_bytes(8, "big") + body


class Sequencer:
    """Numbers and signs the log of one tenant.

    Args:
        tenant: whose log.
        signer: signs its heads.
        witness: where signed heads are kept outside the database.
        interval: seconds between two signed heads at least.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        tenant: str,
        signer: Signer,
        witness: FileWitness,
        *,
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tenant = tenant
        self._signer = signer
        self._witness = witness
        self._interval = interval
        self._clock = clock
        self._frontier = Frontier()
        self._last_hash = b""
        self._verifier = Verifier([signer.public_key])
        self._late: Sequence[str] = ()
        """Heads that another process signed, and did not live to give to the witness."""
        self._signed = 0
        self._seen = 0
        self._behind = False
        self._waits = False
        self._signed_at = float("-inf")
        self._resumed = False

    def step(self, connection: Connection) -> Checkpoint | None:
        """A unit of work: number rows that have no leaf yet, and sign the head when one is due.

        The checkpoint counts when the unit was committed; then give it to :meth:`publish`.
        """
        self._waits = self._behind = not rows.take_turn(connection, self.tenant)
        if self._waits:
            return None
        self._catch_up(connection)
        self._number(connection)
        if self._frontier.size == self._signed or self._clock() - self._signed_at < self._interval:
            return None
        self._late = rows.checkpoints_after(connection, self.tenant, self._seen)
        checkpoint = self._signer.sign(self._frontier.size, self._frontier.root())
        rows.add_checkpoint(connection, self.tenant, checkpoint.size, checkpoint.note, self._frontier.state())
        self._signed, self._signed_at = checkpoint.size, self._clock()
        return checkpoint

    def advance(self, write: Callable[[Callable[[Connection], Checkpoint | None]], Checkpoint | None]) -> None:
        """Step until every row has its leaf, each step in a unit of its own so that others get their turn between.

        ``write`` runs a unit of work and returns after its commit was synced. The first time, what the witness has
        seen is read before anything is numbered: no command may sign a head of a database that was rolled back.

        Raises:
            StoreUnavailable: another process that shares the store numbers, and does not come to an end.
        """
        if not self._resumed:
            write(self.resume)
        self._behind, turns = True, 0
        while self._behind:
            checkpoint = write(self.step)
            if self._waits:
                turns += 1
                if turns == MOST_TURNS:
                    raise StoreUnavailable("Another process has been numbering the audit log for too long")
                time.sleep(TURN_SECONDS)
            if checkpoint is not None:
                self._resumed = False  # until the witness has it: what it could not take now it is given next time
                self.publish(checkpoint)
                self._resumed = True

    def publish(self, checkpoint: Checkpoint) -> None:
        """Give a committed checkpoint to the witness, after those of others that it has not heard of from here."""
        if self._seen and not self._witness.path.exists():
            log.error("witness-gone", tenant=self.tenant)
        for note in self._late:
            self._witness.append(self._verifier.open(note))
        self._witness.append(checkpoint)
        self._seen, self._late = checkpoint.size, ()

    def resume(self, connection: Connection) -> None:
        """At start: give the witness the heads that it lacks, if a crash came between their commit and the witness.

        Raises:
            IntegrityViolated: the witness has seen a longer log than the database holds: it was rolled back or cut. Or
                the witness lacks the beginning of the log, which it once had.
        """
        newest = self._witness.last()
        self._seen = 0 if newest is None else self._verifier.open(newest).size
        last = rows.last_checkpoint(connection, self.tenant)
        self._compare(0 if last is None else last.size)
        self._look_for_the_beginning(connection)
        for note in rows.checkpoints_after(connection, self.tenant, self._seen):
            self._late = ()
            self.publish(self._verifier.open(note))
        self._resumed = True

    def _look_for_the_beginning(self, connection: Connection) -> None:
        """A head is signed only after the witness has the one before: only the very first may be missing there."""
        oldest, first = self._witness.first(), rows.first_checkpoints(connection, self.tenant, 2)
        began = None if oldest is None else self._verifier.open(oldest).size
        if len(first) > 1 and (began is None or began > first[0]):
            raise IntegrityViolated(
                "The file of signed heads beside the keystore is gone, empty or cut at its beginning",
                where=f"tenant {self.tenant}: {self._witness.path.name}",
                fix="Put it back; or find out who took it, `gateway verify audit`, then `gateway audit acknowledge`.",
            )

    def _compare(self, size: int) -> None:
        if size < self._seen:
            raise IntegrityViolated(
                f"The witness has seen {self._seen} audit entries and the database has {size}",
                where=f"tenant {self.tenant}",
                fix="Find out who restored or cut the database, keep both; then `gateway audit acknowledge`.",
            )

    def _catch_up(self, connection: Connection) -> None:
        """Make memory agree with the database, which is right unless it has less than the witness saw."""
        last = rows.last_leaf(connection, self.tenant)
        size = 0 if last is None else last[0] + 1
        self._compare(size)
        signed = rows.last_checkpoint(connection, self.tenant)
        self._signed = 0 if signed is None else signed.size
        if size == self._frontier.size and (last is None or last[1] == self._last_hash):
            return
        frontier = Frontier()
        if signed is not None:
            frontier = Frontier(signed.size, bytes(signed.frontier))
            if self._verifier.open(signed.note).root != frontier.root():
                raise IntegrityViolated("The stored edge of the audit tree does not match its signed head")
        for hashed in rows.leaf_hashes(connection, self.tenant, frontier.size):
            frontier.append(hashed)
        frontier.grown.clear()  # they were kept with their leaves
        if frontier.size != size:
            raise IntegrityViolated("Leaves of the audit log are missing", where=f"tenant {self.tenant}")
        self._frontier = frontier
        self._last_hash = b"" if last is None else last[1]

    def _number(self, connection: Connection) -> None:
        leaves: list[dict[str, Any]] = []
        for writer, numbered in rows.writers_ahead(connection, self.tenant):
            for seq, body in rows.rows_after(connection, self.tenant, writer, numbered, MOST - len(leaves)):
                hashed = leaf_hash(leaf_data(self.tenant, writer, seq, bytes(body)))
                leaf = self._frontier.size
                leaves.append({"tenant": self.tenant, "leaf": leaf, "writer": writer, "seq": seq, "hash": hashed})
                self._frontier.append(hashed)
                self._last_hash = hashed
            if len(leaves) >= MOST:
                break
        self._behind = len(leaves) >= MOST
        if leaves:
            rows.add_leaves(connection, leaves)
            grown, self._frontier.grown = self._frontier.grown, []
            kept = [{"tenant": self.tenant, "level": lv, "node": at, "hash": node} for lv, at, node in grown]
            rows.add_nodes(connection, kept)
