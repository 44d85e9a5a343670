"""Sealing: who numbers and signs one tenant's log, and giving the signed heads to witnesses elsewhere.

The file beside the keystore gets every head before anything else happens. The other witnesses are told in their own
time by :class:`Witnesses`, at most once a second and, while the log grows, at least once a minute unless a witness
asks for less; one that does not answer never holds up another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from gateway.audit.checkpoint import Signer, Verifier
from gateway.audit.log import Store
from gateway.audit.sequencer import Sequencer
from gateway.audit.tree import StoredTree
from gateway.audit.witness import FileWitness
from gateway.errors import GatewayError, IntegrityViolated
from gateway.hookspecs import OpenWitness
from gateway.model.exchange import SignedHead
from gateway.store import audit as rows

PATIENCE = 30.0
"""Seconds for one exchange with a witness."""
SILENCE = 300.0
"""After so many seconds without a word from a witness that is due, somebody should know."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Seal:
    """Who numbers and signs one tenant's audit log, and the file in which the signed heads are kept."""

    signer: Signer
    witness: FileWitness
    sequencer: Sequencer

    @classmethod
    def of(cls, tenant: str, key: Ed25519PrivateKey, folder: Path) -> Seal:
        """The seal of a tenant, its heads kept in ``folder``."""
        signer, kept = Signer(tenant, key), FileWitness(folder / f"{tenant}.checkpoints")
        return cls(signer, kept, Sequencer(tenant, signer, kept))


@dataclass
class _Standing:
    """How one witness stands with one log."""

    size: int = 0
    told_at: float = float("-inf")
    heard_at: float = float("-inf")
    alarmed: bool = False


class Witnesses:
    """The configured witnesses, told of every tenant's heads.

    Args:
        opened: by name: at least how many seconds between two heads, and the witness.
    """

    def __init__(
        self, store: Store, seals: Mapping[str, Seal], opened: Mapping[str, tuple[float, OpenWitness]]
    ) -> None:
        self._store = store
        self._seals = seals
        self._opened = dict(opened)
        self._standing = {(name, tenant): _Standing() for name in opened for tenant in seals}

    async def run(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell each witness, side by side, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in self._opened:
                group.create_task(self._tell_on(name, clock))

    async def _tell_on(self, name: str, clock: Callable[[], float]) -> None:
        while True:
            await self.tell(name, clock())
            await asyncio.sleep(1.0)

    async def tell(self, name: str, now: float) -> None:
        """Give one witness the newest head of every log for which it is due."""
        every, witness = self._opened[name]
        for tenant in self._seals:
            standing = self._standing[name, tenant]
            if now - standing.told_at < every:
                continue
            head = await asyncio.to_thread(self._store.read_sync, partial(_newest, tenant=tenant))
            if head is None or head.size <= standing.size:
                standing.heard_at = now
                continue
            try:
                async with asyncio.timeout(PATIENCE):
                    await witness.keep(self._provable(tenant, head))
            except IntegrityViolated:
                log.error("witness-disagrees", witness=name, tenant=tenant)  # noqa: TRY400 - the trace tells nothing more
            except (GatewayError, OSError, TimeoutError) as error:
                log.warning("witness-waits", witness=name, tenant=tenant, error=type(error).__name__)
            else:
                standing.size, standing.told_at, standing.heard_at = head.size, now, now
                standing.alarmed = False
                continue
            self._alarm(name, tenant, standing, now, every)

    def _alarm(self, name: str, tenant: str, standing: _Standing, now: float, every: float) -> None:
        if standing.heard_at == float("-inf"):
            standing.heard_at = now
        if now - standing.heard_at > SILENCE + every and not standing.alarmed:
            standing.alarmed = True
            log.error("witness-silent", witness=name, tenant=tenant)

    async def check(self) -> None:
        """Refuse to go on when a witness has seen more than the database has.

        Raises:
            IntegrityViolated: the database was rolled back or cut. A witness that cannot be asked is only logged.
        """
        for tenant, seal in self._seals.items():
            heads, silent = await self.heads(tenant)
            for name in silent:
                log.warning("witness-not-asked", witness=name, tenant=tenant)
            last = await asyncio.to_thread(self._store.read_sync, partial(rows.last_checkpoint, tenant=tenant))
            verifier, size = Verifier([seal.signer.public_key]), 0 if last is None else last.size
            seen = max((verifier.open(note).size for note in heads), default=0)
            if seen > size:
                raise IntegrityViolated(
                    f"A witness has seen {seen} audit entries and the database has {size} under a signed head",
                    where=f"tenant {tenant}",
                    fix="Find out who restored or cut the database; then acknowledge it here and at the witness.",
                )

    async def heads(self, tenant: str) -> tuple[list[str], list[str]]:
        """What all witnesses have of one log, and the names of those that cannot be asked now."""
        found: list[str] = []
        silent: list[str] = []
        for name, (_, witness) in self._opened.items():
            try:
                async with asyncio.timeout(PATIENCE):
                    found += await witness.heads(self._seals[tenant].signer.origin)
            except (GatewayError, OSError, TimeoutError):
                silent.append(name)
        return found, silent

    def _provable(self, tenant: str, head: SignedHead) -> SignedHead:
        def prove(old: int) -> tuple[bytes, ...]:
            return self._store.read_sync(lambda connection: StoredTree(connection, tenant).consistency(old, head.size))

        return SignedHead(origin=self._seals[tenant].signer.origin, size=head.size, note=head.note, prove=prove)


def _newest(connection: Connection, tenant: str) -> SignedHead | None:
    last = rows.last_checkpoint(connection, tenant)
    return None if last is None else SignedHead(origin="", size=last.size, note=last.note, prove=lambda _: ())
