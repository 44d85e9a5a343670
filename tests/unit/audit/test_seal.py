"""Witnesses are told of every head they are due for, one never holds up another, and what they saw is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import structlog
from structlog.testing import LogCapture

from gateway.audit import Seal, Search, Wanted, Witnesses, acknowledge
from gateway.audit.checkpoint import Verifier
from gateway.audit.merkle import verify_consistency
from gateway.errors import GatewayError, IntegrityViolated, RetryLater
from gateway.model.exchange import SignedHead
from tests.unit.audit.kept import Kept


@dataclass
class Memory:
    """A witness in memory that can be told to fail."""

    fail: GatewayError | None = None
    seen: list[SignedHead] = field(default_factory=list)

    async def keep(self, head: SignedHead) -> None:
        """Keep a head, or fail."""
        if self.fail is not None:
            raise self.fail
        self.seen.append(head)

    async def heads(self, origin: str) -> Sequence[str]:
        """What was kept of one log."""
        if self.fail is not None:
            raise self.fail
        return [head.note for head in self.seen if head.origin == origin]


def told(kept: Kept, every: float = 0.0, **witnesses: Memory) -> Witnesses:
    """These witnesses over one log."""
    seal = Seal(kept.signer, kept.witness, kept.sequencer)
    return Witnesses(kept.store, kept.log, {kept.tenant: seal}, {name: (every, one) for name, one in witnesses.items()})


def test_each_new_head_is_told_once_with_its_proof(kept: Kept) -> None:
    """Every growth of the log reaches the witness once, with a proof from any older size."""
    memory = Memory()
    witnesses = told(kept, one=memory)
    verifier = Verifier([kept.signer.public_key])
    for now, count in enumerate((5, 300, 0, 7)):
        kept.fill((count,)) if count else None
        asyncio.run(witnesses.tell("one", float(now)))
    assert [head.size for head in memory.seen] == [5, 306, 313]  # the first time it is noted that this one has heads
    first, last = (verifier.open(memory.seen[at].note) for at in (0, 2))
    assert verify_consistency(5, first.root, 313, last.root, memory.seen[2].prove(5))


def test_an_hourly_witness_is_told_hourly(kept: Kept) -> None:
    """A witness that asks for an hour between heads gets the newest one after an hour, and none before."""
    memory = Memory()
    witnesses = told(kept, 3600.0, mail=memory)
    for now in (0.0, 60.0, 3599.0, 3600.0):
        kept.fill((2,))
        asyncio.run(witnesses.tell("mail", now))
    assert [head.size for head in memory.seen] == [2, 9]


def test_one_that_fails_holds_up_nobody_and_is_told_later(kept: Kept) -> None:
    """While one witness is away the other is told; back again it gets the newest head, and long silence is loud."""
    capture = LogCapture()
    structlog.configure(processors=[capture])
    away, there = Memory(RetryLater("away")), Memory()
    witnesses = told(kept, away=away, there=there)
    kept.fill((4,))
    for now in (0.0, 100.0, 301.0, 302.0):
        asyncio.run(witnesses.tell("away", now))
        asyncio.run(witnesses.tell("there", now))
    assert [head.size for head in there.seen] == [4]
    events = [entry["event"] for entry in capture.entries]
    assert (events.count("witness-waits"), events.count("witness-silent")) == (4, 1)
    away.fail = None
    asyncio.run(witnesses.tell("away", 400.0))
    assert [head.size for head in away.seen] == [4]


def test_a_start_is_refused_when_a_witness_saw_more(kept: Kept) -> None:
    """A database behind a witness elsewhere is not started; one that cannot be asked is logged and holds up nothing."""
    memory = Memory()
    witnesses = told(kept, one=memory, away=Memory(RetryLater("away")))
    kept.fill((4, 4))
    asyncio.run(witnesses.tell("one", 0.0))
    asyncio.run(witnesses.check())
    kept.sql("delete from checkpoints where tenant = :t and size > 4")
    with pytest.raises(IntegrityViolated, match="seen 8 audit entries"):
        asyncio.run(witnesses.check())


def test_a_silent_witness_proves_nothing(kept: Kept) -> None:
    """The names of witnesses that cannot be asked come with what the others have."""
    memory = Memory()
    witnesses = told(kept, one=memory, away=Memory(RetryLater("away")))
    kept.fill((4,))
    asyncio.run(witnesses.tell("one", 0.0))
    assert asyncio.run(witnesses.heads(kept.tenant)) == ([memory.seen[0].note], ["away"], [])


def test_a_witness_that_lost_its_heads_is_not_one_that_never_had_any(kept: Kept) -> None:
    """Emptied, a witness stops the start and the recount until its loss is acknowledged; a new one stops nothing."""
    memory = Memory()
    kept.fill((4,))
    witnesses = told(kept, one=memory)
    asyncio.run(witnesses.tell("one", 0.0))
    kept.fill((4,))
    memory.seen.clear()
    again = told(kept, one=memory, new=Memory())
    assert asyncio.run(again.heads(kept.tenant)) == ([], [], ["one"])
    with pytest.raises(IntegrityViolated, match=f"has none any more at tenant {kept.tenant}, witness one"):
        asyncio.run(again.check())
    acknowledge(kept.store, kept.log, kept.signer, kept.witness, tenant=kept.tenant, actor="cli:ann", gone=["one"])
    kept.sign()
    asyncio.run(again.begin_again(kept.tenant, ["one"]))
    asyncio.run(again.check())
    (entry,) = kept.store.read_sync(lambda c: list(Search(c, kept.tenant, Wanted(action="acknowledge")).found()))
    assert (entry.outcome, entry.rows) == ("heads-lost", {"witnesses": ["one"]})
    assert kept.verify().valid
