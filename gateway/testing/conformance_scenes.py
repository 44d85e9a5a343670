"""Scenes of their own: a patient who is erased, a row that is deleted, a clock that is wrong, a budget pressed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from gateway.errors import InvalidConfiguration
from gateway.model.exchange import Item
from gateway.store import journal
from gateway.testing.conformance import Result, failed, judged, not_run, passed
from gateway.testing.conformance_house import MOST, TENANT, House, Scene
from gateway.testing.conformance_static import canaries
from gateway.testing.conformance_subject import Subject
from gateway.testing.simulation import staged

CLOCKS = ("clock-behind", "clock-ahead", "clock-right")
"""Events by which a simulator's clock is an hour late, an hour early, and right again: in this order."""


_KNOWN_ALONE = ("Patient", "Practitioner", "Location", "Organization", "Payer")
"""Types of records that are known by themselves; made-up people may share a telephone number by chance."""


async def erasure_rule(
    house: House, scene: Scene, whole: Callable[[], bool], patience: float, *, again: bool
) -> Result:
    """erasure: a patient is shredded, then everything is read anew, and handed in anew under other control ids.

    ``whole`` tells when the clinic has arrived, ``again`` whether it can be read from its first page on once more.
    """
    rule = "erasure"
    await house.read(scene, whole, patience)
    items = scene.items
    await house.until(lambda: not house.gateway.handoff.unsettled, 10)
    patient = _most_told_of(house, scene.name)
    if patient is None:
        return not_run(rule, "no patient arrived who could be erased")
    words = _only_of(house, scene.name, patient)
    try:
        await asyncio.to_thread(house.gateway.shredder().shred, TENANT, patient, "certify", "certify")
    except InvalidConfiguration:
        return failed(rule, "the patient cannot be erased: no message is told to be about this patient")
    if _told(house, scene.name, words):
        return failed(rule, "records that are not told to be about the patient hold the patient's values")
    source = house.gateway.sources[TENANT, scene.name]
    if again:
        await house.read(scene, house.quiet(scene), patience, blind=True)
    await house.gateway.receiver(source).accept([_anew(item) for item in items])
    await house.until(lambda: not house.gateway.handoff.unsettled, 10)
    why = ["an erased patient came back by the next sync"] if _told(house, scene.name, words) else []
    return judged(rule, why)


def _most_told_of(house: House, name: str) -> bytes | None:
    """The patient of this source who has the most records."""
    rows = house.gateway.store.read_sync(lambda c: journal.recent_records(c, TENANT, None, None, MOST))
    own = [row for row in rows if row.source == name and not row.removed]
    count = Counter(bytes(row.patient) for row in own if row.patient is not None)
    people = [bytes(row.record_id) for row in own if row.type == "Patient"]
    return max(people, key=lambda one: (count[one], one), default=None)


def _only_of(house: House, name: str, patient: bytes) -> set[str]:
    """Values that stand in this patient's record, and in that of no other patient, of nobody's staff and no place."""
    own: set[str] = set()
    others: set[str] = set()
    for kind in _KNOWN_ALONE:
        for record_id, text in house.texts(name, kind).items():
            (own if record_id == patient else others).update(canaries(json.loads(text)))
    return own - others


def _told(house: House, name: str, words: set[str]) -> bool:
    return any(word in text for text in house.texts(name).values() for word in words)


def _anew(item: Item) -> Item:
    return msgspec.structs.replace(item, control_id=f"anew:{item.control_id}")


async def clock_rule(house: House, scene: Scene, patience: float) -> Result:
    """clock-skew: a change is made while the vendor's clock is late, one while it is early, one when it is right."""
    rule, simulator = "clock-skew", staged(scene.simulator)
    if simulator is None or not {"update", *CLOCKS} <= simulator.events.keys():
        return not_run(rule, "the simulator's clock cannot be set wrong")
    simulator.happen(CLOCKS[0])
    reading = asyncio.ensure_future(house.read(scene, lambda: False, 5 * patience))
    faults: Sequence[str] = []
    try:
        if not await house.until(house.quiet(scene), patience, reading.done):
            return not_run(rule, "nothing arrived")
        for clock in CLOCKS:
            simulator.happen(clock)
            known = len(scene.items)
            simulator.happen("update")
            if not await house.until(_more(scene, known), patience, reading.done):
                faults = [f"a change did not arrive: {simulator.events[clock]}"]
                break
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
    return judged(rule, faults)


def _more(scene: Scene, known: int) -> Callable[[], bool]:
    return lambda: len(scene.items) > known


async def press_rule(house: House, subject: Subject, scene: Scene, seconds: float) -> Result:
    """stays-within-rate-budget: ask as often as the settings allow, and see what the vendor counts."""
    rule, rate = "stays-within-rate-budget", subject.adapter.info.rate
    if not subject.polled or rate is None or staged(scene.simulator) is None:
        return not_run(rule, "no rate budget is declared" if rate is None else "the simulator counts no requests")
    await house.read(scene, lambda: scene.counted("violations") > 0, seconds)
    if scene.counted("violations"):
        return failed(rule, "the vendor counted requests beyond its budget")
    if scene.counted("requests") < 0.4 * rate.requests:
        return not_run(rule, "the adapter asks so seldom that the budget was never pressed")
    return passed(rule)


async def deletion_rule(house: House, scene: Scene, patience: float) -> Result:
    """reads-deletions: something is deleted at a clinic that was read."""
    rule, simulator = "reads-deletions", staged(scene.simulator)
    if simulator is None or "remove" not in simulator.events:
        return not_run(rule, "the simulator deletes nothing")
    reading = asyncio.ensure_future(house.read(scene, lambda: False, 4 * patience))
    arrived = await house.until(house.quiet(scene), patience, reading.done)
    before = house.removed(scene.name)
    simulator.happen("remove")
    found = arrived and await house.until(lambda: house.removed(scene.name) > before, patience / 2)
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    return passed(rule) if found else failed(rule, "what was deleted at the clinic stays here")
