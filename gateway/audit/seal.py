"""Sealing: who numbers and signs one tenant's log, and giving the signed heads to witnesses elsewhere.

The file beside the keystore gets every head before anything else happens. The other witnesses are told in their own
time by :class:`Witnesses`, at most once a second and, while the log grows, at least once a minute unless a witness
asks for less; one that does not answer never holds up another.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from gateway.audit.checkpoint import Signer, Verifier
from gateway.audit.log import AuditLog, Store
from gateway.audit.sequencer import Sequencer
from gateway.audit.tree import StoredTree
from gateway.audit.witness import FileWitness
from gateway.errors import GatewayError, IntegrityViolated
from gateway.hookspecs import OpenWitness
from gateway.model.exchange import SignedHead
from gateway.store import audit as rows
from gateway.store import journal

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


class Heard(NamedTuple):
    """What the witnesses said of one log."""

    heads: list[str]
    silent: list[str]
    """Names of those that cannot be asked now."""
    gone: list[str]
    """Names of those that had heads, by the audit log, and have none."""


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
        store: the database.
        log: its audit log, which remembers who has had heads.
        seals: by tenant.
        opened: by name: at least how many seconds between two heads, and the witness.
    """

    def __init__(
        self, store: Store, log: AuditLog, seals: Mapping[str, Seal], opened: Mapping[str, tuple[float, OpenWitness]]
    ) -> None:
        self._store = store
        self._log = log
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
                first = not standing.size
                standing.size, standing.told_at, standing.heard_at = head.size, now, now
                standing.alarmed = False
                if first:
                    await self._remember(name, tenant)
                continue
            self._alarm(name, tenant, standing, now, every)

    def _alarm(self, name: str, tenant: str, standing: _Standing, now: float, every: float) -> None:
        if standing.heard_at == float("-inf"):
            standing.heard_at = now
        if now - standing.heard_at > SILENCE + every and not standing.alarmed:
            standing.alarmed = True
            log.error("witness-silent", witness=name, tenant=tenant)

    async def _remember(self, name: str, tenant: str) -> None:
        """Note once, in the audit log, that a witness can be asked and has heads: from then on it is to have some."""
        if await asyncio.to_thread(self._store.read_sync, partial(_had_heads, tenant=tenant, name=name)):
            return
        found = await self._ask(name, tenant)
        if found:
            await asyncio.to_thread(self._store.write_sync, partial(self._note, tenant=tenant, name=name))

    def _note(self, connection: Connection, tenant: str, name: str) -> None:
        digest = _memory(tenant, name)
        if journal.keep_text(connection, digest, "witness", f"{name} has heads of the audit log of {tenant}"):
            entry = self._log.entry(
                tenant, action="witness", actor="gateway:witness", purpose="operations", outcome="has-heads",
                witnesses=[name], texts=[digest.hex()],
            )  # fmt: skip
            self._log.append(connection, entry)

    async def check(self) -> None:
        """Refuse to go on when a witness has seen more than the database has, or lost all that it had.

        Raises:
            IntegrityViolated: the database was rolled back or cut, or a witness emptied. One that cannot be asked is
                only logged.
        """
        for tenant, seal in self._seals.items():
            heard = await self.heads(tenant)
            for name in heard.silent:
                log.warning("witness-not-asked", witness=name, tenant=tenant)
            last = await asyncio.to_thread(self._store.read_sync, partial(rows.last_checkpoint, tenant=tenant))
            verifier, size = Verifier([seal.signer.public_key]), 0 if last is None else last.size
            seen = max((verifier.open(note).size for note in heard.heads), default=0)
            if seen > size:
                raise IntegrityViolated(
                    f"A witness has seen {seen} audit entries and the database has {size} under a signed head",
                    where=f"tenant {tenant}",
                    fix="Find out who restored or cut the database; then acknowledge it here and at the witness.",
                )
            if heard.gone:
                raise IntegrityViolated(
                    "A witness that had signed heads of the audit log has none any more",
                    where=f"tenant {tenant}, witness {', '.join(heard.gone)}",
                    fix="Find out who took them, run `gateway verify audit`, then `gateway audit acknowledge`.",
                )

    async def heads(self, tenant: str) -> Heard:
        """What all witnesses have of one log, and who cannot be asked now or has lost what it had."""
        found: list[str] = []
        silent: list[str] = []
        gone: list[str] = []
        for name in self._opened:
            has = await self._ask(name, tenant)
            if has is None:
                silent.append(name)
            elif has:
                found += has
            elif await asyncio.to_thread(self._store.read_sync, partial(_had_heads, tenant=tenant, name=name)):
                gone.append(name)
        return Heard(found, silent, gone)

    async def begin_again(self, tenant: str, names: Sequence[str]) -> None:
        """Give the newest head of one log to witnesses whose loss was acknowledged.

        Raises:
            RetryLater: one of them cannot take it now; until it has a head, no start is possible.
        """
        head = await asyncio.to_thread(self._store.read_sync, partial(_newest, tenant=tenant))
        if head is None:
            return
        for name in names:
            async with asyncio.timeout(PATIENCE):
                await self._opened[name][1].keep(self._provable(tenant, head))

    async def _ask(self, name: str, tenant: str) -> Sequence[str] | None:
        """The heads that one witness has of one log; None when it cannot be asked now."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._opened[name][1].heads(self._seals[tenant].signer.origin)
        except (GatewayError, OSError, TimeoutError):
            return None

    def _provable(self, tenant: str, head: SignedHead) -> SignedHead:
        def prove(old: int) -> tuple[bytes, ...]:
            return self._store.read_sync(lambda connection: StoredTree(connection, tenant).consistency(old, head.size))

        return SignedHead(origin=self._seals[tenant].signer.origin, size=head.size, note=head.note, prove=prove)


def _newest(connection: Connection, tenant: str) -> SignedHead | None:
    last = rows.last_checkpoint(connection, tenant)
    return None if last is None else SignedHead(origin="", size=last.size, note=last.note, prove=lambda _: ())


def _memory(tenant: str, name: str) -> bytes:
    """Under what hash it is kept that a witness has had heads of a log."""
    return hashlib.sha256(f"witness\0{tenant}\0{name}".encode()).digest()


def _had_heads(connection: Connection, tenant: str, name: str) -> bool:
    return journal.text_of(connection, _memory(tenant, name)) is not None
