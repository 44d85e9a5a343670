"""One patient with very many changes ahead of everybody else's: the others are delivered as if there were fewer.

A journal has 64 lanes, and a patient's lane follows from a keyed digest of its id, so one of 64 others shares the busy
one and waits in it. Everybody else is judged here, and the others are chosen by their lane: by chance alone two of
forty share the busy one in every eighth run.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path

import pytest
from msgspec.structs import replace as altered

from gateway.flow.lanes import journal_lane
from gateway.model.exchange import Delivered, Dispatch, Outcome
from tests.faults.deployment import SCALE
from tests.integration.parts import SINK, Parts, Place, Written, message, patient

MANY = max(400, int(20_000 * SCALE))
"""Changes of the one patient."""
BATCH = 16
LATEST = 12
"""Dispatches within which everybody of another lane must be on the way, however many changes the one patient has."""


class Ordered(Written):
    """A receiver that remembers in which dispatch each patient first came."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, int] = {}

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        self.dispatches.append(dispatch)
        for one in dispatch.deliveries:
            self.first.setdefault(one.order, len(self.dispatches))
        return [Delivered("ok")] * len(dispatch.deliveries)


def _busy(folder: Path, others: int) -> Parts:
    """A journal with the one patient's changes first, and one change of each other behind them."""
    parts = Place(folder, "embedded").open()
    for start in range(0, MANY, 200):
        parts.take(*(message(patient("hot", f"V{number}")) for number in range(start, min(start + 200, MANY))))
    parts.take(*(message(patient(name, "A")) for name in _of_other_lanes(parts, others)))
    return parts


def _of_other_lanes(parts: Parts, others: int) -> list[str]:
    """So many patients whose lanes are not the one patient's."""
    busy = _lane(parts, "hot")
    return list(islice((name for name in (f"p{number}" for number in count()) if _lane(parts, name) != busy), others))


def _lane(parts: Parts, name: str) -> int:
    return journal_lane("told", parts.record("Patient", name))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("others", [1, 3, 40])
def test_a_hot_patient_starves_nobody(tmp_path: Path, others: int) -> None:
    """Every patient of another lane is sent within a few dispatches of the route."""
    parts = _busy(tmp_path, others)
    sink = Ordered()
    route = parts.delivering(sink, info=altered(SINK, batch=BATCH))

    async def run() -> None:
        await route.recover()
        while len(sink.first) <= others:
            assert await route.step() is not None, "the journal ended before everybody was seen"

    asyncio.run(run())
    hot = Counter(one.order for dispatch in sink.dispatches for one in dispatch.deliveries).most_common(1)[0][0]
    seen = sorted(at for order, at in sink.first.items() if order != hot)
    assert len(seen) == others
    print(f"{others} others within {seen[-1]} dispatches of {BATCH}, {MANY} changes of one patient ahead of them")
    parts.close()
    assert seen[-1] <= LATEST
