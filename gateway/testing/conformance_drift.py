"""Drift: at a clinic that was read, a field changes its form; it must be found, and cost itself alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from gateway.errors import GatewayError
from gateway.flow.drift_form import LEARN
from gateway.store import drift
from gateway.testing.conformance import Result, judged, not_run
from gateway.testing.conformance_house import TENANT, House, Scene
from gateway.testing.conformance_live import Pace
from gateway.testing.conformance_subject import Subject
from gateway.testing.simulation import eventful

RULE = "drift-found"
EVENT = "drift"


async def drift_rule(subject: Subject, pace: Pace, folder: Path) -> Result:
    """Run the adapter at a clinic of its own, let a field change its form, and see what becomes of it."""
    stage = eventful(subject.simulator)
    if stage is None or EVENT not in stage.events:
        return not_run(RULE, "the simulator changes the form of nothing")
    house, scene = (
        House(subject, folder, clinic_size=max(pace.clinic_size, LEARN), lingering=pace.lingering),
        Scene(EVENT),
    )
    try:
        await house.act(scene)
        house.open([scene])
        return await _judge(house, scene, pace)
    except GatewayError as error:
        return judged(RULE, [f"the clinic could not be read: {error.code}"])
    finally:
        await house.close()


async def _judge(house: House, scene: Scene, pace: Pace) -> Result:
    reading = asyncio.ensure_future(house.read(scene, lambda: False, 4 * pace.patience))
    try:
        if not await house.until(_whole(house, scene, pace), pace.patience, reading.done):
            return not_run(RULE, "nothing arrived")
        stage, before, unread = eventful(scene.simulator), house.changes(scene.name), house.unread(scene.name)
        if stage is not None:
            stage.happen(EVENT)
        await house.until(lambda: bool(_alarms(house)), pace.patience / 2)
        await house.until(lambda: house.changes(scene.name) > before, pace.patience / 4)
        await house.until(_whole(house, scene, pace), pace.patience / 4)
        return judged(RULE, _faults(house, scene, before, unread))
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


def _whole(house: House, scene: Scene, pace: Pace) -> Callable[[], bool]:
    """Whether the clinic has arrived, or enough of one that never ends: several nights, or files."""
    endless = hasattr(scene.simulator, "seconds")
    return house.begun(scene, pace.endless) if endless else house.quiet(scene)


def _alarms(house: House) -> list[str]:
    """What is told of drift."""
    rows = house.gateway.store.read_sync(lambda connection: drift.alarms(connection, TENANT))
    return [row.place for row in rows if row.state == "open"]


def _faults(house: House, scene: Scene, before: int, unread: str) -> Iterator[str]:
    if not _alarms(house):
        yield "a field changed its form, and nobody was told"
    if not house.gateway.store.read_sync(lambda connection: drift.held_count(connection, TENANT)):
        yield "nothing of the field that changed its form is held"
    if house.changes(scene.name) <= before:
        yield "the rest of the records did not go on"
    if house.unread(scene.name) != unread:
        yield f"one field cost its whole message: {house.unread(scene.name)}"
