"""Barriers: whatever fails, crashes or comes late, a survivor never overtakes the patient merged into them."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from gateway.flow.deliver import Deliverer
from gateway.flow.route import order_key
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Dispatch, Outcome, Retry
from gateway.store.schema import changes
from tests.integration.parts import (
    SINK,
    TENANT,
    Parts,
    Written,
    appointment,
    deliver_all,
    drain,
    merged,
    message,
    patient,
)

SCHEDULE = (0.0,) * 200
"""No pauses and no giving up: only order is at stake here."""


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Flaky(Written):
    """Answers by chance, and sometimes ends the process before or after the effect."""

    chance: random.Random = field(default_factory=random.Random)
    healthy: bool = False
    stubborn: set[str] = field(default_factory=set)
    """Records that fail until the sink is healthy."""

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        if not self.healthy and self.chance.random() < 0.05:
            raise Crash
        outcomes = await super().deliver(dispatch)
        if not self.healthy and self.chance.random() < 0.05:
            raise Crash
        if not self.healthy and self.chance.random() < 0.05:
            raise ZeroDivisionError
        return outcomes


def flaky(seed: int) -> Flaky:
    """A sink that answers by chance until it is healthy."""

    def answer(delivery: Delivery) -> Outcome:
        if sink.healthy:
            return Delivered("ok")
        if delivery.record_id in sink.stubborn:
            return Retry("stubborn")
        return sink.chance.choices([Delivered("ok"), Retry("busy"), Ambiguous("cut")], [7, 2, 1])[0]

    sink = Flaky(answer, chance=random.Random(seed))
    return sink


def journal_rows(parts: Parts) -> list[Any]:
    """The whole journal."""
    query = select(changes).where(changes.c.tenant == TENANT).order_by(changes.c.lane, changes.c.position)
    return list(parts.store.read_sync(lambda connection: connection.execute(query).fetchall()))


def first_effects(sink: Written) -> dict[tuple[bytes, int], int]:
    """(record, version) -> when it first happened; a key that comes again is no second effect."""
    found: dict[tuple[bytes, int], int] = {}
    for at, delivery in enumerate(sink.effects):
        found.setdefault((bytes.fromhex(delivery.record_id.replace("-", "")), delivery.version), at)
    return found


def check_order(parts: Parts, sink: Written) -> None:
    """What the view grants happened: per patient in journal order, across a merge the prior first."""
    happened = first_effects(sink)
    rows = journal_rows(parts)
    real = [row for row in rows if row.kind != "barrier" and (bytes(row.record_id), row.version) in happened]
    (route,) = parts.ledger().routes
    assert len(happened) == len(real) == route.delivered
    assert route.matching == route.delivered + route.suppressed.get("view-grants-nothing", 0)
    of: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for row in real:
        of[order_key(row)].append((row.position, happened[bytes(row.record_id), row.version]))
    for effects in of.values():
        assert [at for _, at in effects] == sorted(at for _, at in effects)
    for row in rows:
        if row.kind == "barrier" and bytes(row.patient) != bytes(row.record_id):
            before = [at for position, at in of[bytes(row.record_id)] if position < row.partner_position]
            after = [at for position, at in of[bytes(row.patient)] if position > row.position]
            assert max(before, default=-1) < min(after, default=len(sink.effects)), "a survivor overtook"


async def attempt(route: Deliverer, steps: int) -> bool:
    """Some steps of a route; False when its process ended."""
    try:
        for _ in range(steps):
            if await route.step() is None:
                break
    except Crash:
        return False
    return True


@pytest.mark.parametrize("seed", range(2))
def test_no_consumer_passes_one_barrier_before_the_other(parts: Parts, seed: int, scale: Callable[[int], int]) -> None:
    """Under random messages, merges, failures and crashes, every patient's order and every merge's order hold."""
    chance = random.Random(seed)
    sink = flaky(seed)
    route = parts.delivering(sink, info=replace(SINK, batch=chance.choice([1, 3, 16])), schedule=SCHEDULE)
    names = [f"p{number}" for number in range(10)]
    sink.stubborn = {parts.vault.record_id(TENANT, "told", "Patient", name) for name in chance.sample(names, 3)}
    asyncio.run(route.recover())
    for round_ in range(scale(20)):
        items = []
        for number in range(chance.randrange(1, 6)):
            name, control = chance.choice(names), f"{round_}/{number}"
            if chance.random() < 0.25:
                other = chance.choice([one for one in names if one != name])
                items.append(message(merged(name, other), control=control))
            elif chance.random() < 0.5:
                items.append(message(patient(name, control), control=control))
            else:
                items.append(message(appointment(f"a-{name}-{number}", name, reason=control), control=control))
        parts.take(*items)
        if not asyncio.run(attempt(route, chance.randrange(6))):
            route = parts.delivering(sink, info=route.route.info, schedule=SCHEDULE)
            recovered = False
            while not recovered:
                try:
                    asyncio.run(route.recover())
                    recovered = True
                except Crash:
                    route = parts.delivering(sink, info=route.route.info, schedule=SCHEDULE)
        assert parts.ledger().problems == []
    sink.healthy = True
    asyncio.run(drain(route))
    assert parts.ledger().routes[0].pending == 0
    assert parts.ledger().problems == []
    check_order(parts, sink)


def merge_while(parts: Parts, prior: str, into: str, sink: Flaky) -> Deliverer:
    """A merge while the prior patient's changes cannot be delivered; the survivor has more to say afterwards."""
    sink.stubborn = {parts.vault.record_id(TENANT, "told", "Patient", prior)}
    route = parts.delivering(sink, schedule=(0.0,) * 3 + (3600.0,) * 3)
    parts.take(message(patient(prior, "A")), message(patient(into, "B")), message(merged(prior, into)))
    deliver_all(route)
    parts.take(message(patient(into, "C")))
    deliver_all(route)
    return route


def pairs(parts: Parts) -> tuple[str, str, str]:
    """A patient, one of the same lane, and one of another lane."""
    lanes: dict[int, list[str]] = defaultdict(list)
    for number in range(500):
        name = f"q{number}"
        lanes[parts.record("Patient", name)[-1] % 64].append(name)
    same, other = (names for names in sorted(lanes.values(), key=len, reverse=True)[:2])
    return same[0], same[1], other[0]


@pytest.mark.parametrize("same_lane", [True, False])
def test_a_parked_patient_holds_the_survivor(parts: Parts, same_lane: bool) -> None:
    """While the merged patient waits, the survivor's later changes wait too, in one lane and across two."""
    prior, near, far = pairs(parts)
    into = near if same_lane else far
    sink = flaky(1)
    sink.chance = random.Random()
    sink.chance.random = lambda: 0.99  # type: ignore[method-assign]  # no crash, no failure by chance
    sink.answer = lambda delivery: (
        Retry("stubborn") if delivery.record_id in sink.stubborn and not sink.healthy else Delivered("ok")
    )
    route = merge_while(parts, prior, into, sink)
    survivor = parts.vault.record_id(TENANT, "told", "Patient", into)
    assert [delivery.version for delivery in sink.effects if delivery.record_id == survivor] == [1]
    assert parts.ledger().problems == []
    restarted = parts.delivering(sink, schedule=route.route.schedule)
    deliver_all(restarted)
    assert [delivery.version for delivery in sink.effects if delivery.record_id == survivor] == [1]
    sink.healthy = True
    parts.make_due(prior)
    deliver_all(restarted)
    check_order(parts, sink)
    assert parts.ledger().routes[0].pending == 0
    assert parts.ledger().problems == []


def test_patients_merged_into_each_other_do_not_wait_for_ever(parts: Parts) -> None:
    """Two wrong merges, one each way, while both patients fail: everything is delivered once the sink is well again."""
    sink = flaky(2)
    sink.chance.random = lambda: 0.99  # type: ignore[method-assign]  # no crash, no failure by chance
    sink.stubborn = {parts.vault.record_id(TENANT, "told", "Patient", name) for name in ("p1", "p2")}
    route = parts.delivering(sink, schedule=SCHEDULE)
    for name in ("p1", "p2"):
        parts.take(message(patient(name, "A")))
    asyncio.run(route.recover())
    asyncio.run(attempt(route, 5))
    for prior, into in (("p1", "p2"), ("p2", "p1"), ("p1", "p2")):
        parts.take(message(merged(prior, into), control=f"{prior}{into}{len(sink.dispatches)}"))
        asyncio.run(attempt(route, 5))
        parts.take(message(patient("p1", f"B{into}")), message(patient("p2", f"B{into}")))
        asyncio.run(attempt(route, 5))
    sink.healthy = True
    asyncio.run(drain(route))
    check_order(parts, sink)
    assert parts.ledger().routes[0].pending == 0
