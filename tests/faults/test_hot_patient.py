"""One patient with very many changes ahead of everybody else's: the others are delivered as if there were fewer.

A journal has 64 lanes, and a patient's lane follows from a keyed digest of its id, so one of 64 others shares the busy
one and waits in it. Two judgements: nobody of another lane waits long, with others chosen by their lane, for by chance
alone two of forty share the busy one in every eighth run; and of all the others, whatever their lanes, the 95th of a
hundred waits hardly longer than without the one patient. Waits are counted in dispatches of the route: each carries as
many changes as the one before, so counts are what times would be on a machine of one's own.
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
from gateway.store.schema import LANES
from tests.faults.deployment import SCALE
from tests.integration.parts import SINK, Parts, Place, Written, message, patient

MANY = max(400, int(20_000 * SCALE))
"""Changes of the one patient."""
BATCH = 16
EACH = 5
OTHERS = EACH * LANES
"""Others of all lanes, five in each: those who share the busy one are far fewer than one in twenty."""
WORSE = 1.2
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


def _heat(parts: Parts) -> None:
    """The one patient's changes."""
    for start in range(0, MANY, 200):
        parts.take(*(message(patient("hot", f"V{number}")) for number in range(start, min(start + 200, MANY))))


def _waits(parts: Parts, everybody: int) -> list[int]:
    """In which dispatch each of the others first came, in order; ``everybody`` counts the one patient as well."""
    sink = Ordered()
    route = parts.delivering(sink, info=altered(SINK, batch=BATCH))

    async def run() -> None:
        await route.recover()
        while len(sink.first) < everybody:
            assert await route.step() is not None, "the journal ended before everybody was seen"

    asyncio.run(run())
    [(hot, most)] = Counter(one.order for dispatch in sink.dispatches for one in dispatch.deliveries).most_common(1)
    return sorted(at for order, at in sink.first.items() if most == 1 or order != hot)


def _of_other_lanes(parts: Parts, others: int) -> list[str]:
    """So many patients whose lanes are not the one patient's."""
    busy = _lane(parts, "hot")
    return list(islice((name for name in (f"p{number}" for number in count()) if _lane(parts, name) != busy), others))


def _of_all_lanes(parts: Parts) -> list[str]:
    """As many patients in one lane as in another."""
    found: dict[int, list[str]] = {lane: [] for lane in range(LANES)}
    for name in (f"p{number}" for number in count()):
        if len(lane := found[_lane(parts, name)]) < EACH:
            lane.append(name)
            if sum(map(len, found.values())) == OTHERS:
                break
    return sorted(name for names in found.values() for name in names)


def _lane(parts: Parts, name: str) -> int:
    return journal_lane("told", parts.record("Patient", name))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("others", [1, 3, 40])
def test_a_hot_patient_starves_nobody(tmp_path: Path, others: int) -> None:
    """Every patient of another lane is sent within a few dispatches of the route."""
    parts = Place(tmp_path, "embedded").open()
    _heat(parts)
    parts.take(*(message(patient(name, "A")) for name in _of_other_lanes(parts, others)))
    seen = _waits(parts, others + 1)
    parts.close()
    print(f"{others} others within {seen[-1]} dispatches of {BATCH}, {MANY} changes of one patient ahead of them")
    assert len(seen) == others
    assert seen[-1] <= LATEST


@pytest.mark.timeout(600)
def test_the_others_wait_hardly_longer_than_without_the_hot_patient(tmp_path: Path) -> None:
    """Of very many others of any lane the 95th of a hundred waits at most a fifth longer."""
    waits = {}
    for heated in (False, True):
        folder = tmp_path / str(heated)
        folder.mkdir()
        parts = Place(folder, "embedded").open()
        if heated:
            _heat(parts)
        parts.take(*(message(patient(name, "A")) for name in _of_all_lanes(parts)))
        seen = _waits(parts, OTHERS + heated)
        parts.close()
        assert len(seen) == OTHERS
        waits[heated] = seen[OTHERS * 95 // 100]
    print(f"95th percentile of {OTHERS}: dispatch {waits[False]} alone, {waits[True]} beside {MANY} changes of one")
    assert waits[True] <= WORSE * waits[False]
