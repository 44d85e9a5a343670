"""Sweeps: full lists of a clinic compared with its records, while lists end early, answers break and rows vanish.

The lists are those that the adapter's own poller offers, and the core's own sweeper reads them; here it believes every
absence, so that whatever an adapter tells wrongly costs records, however few.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Literal

from gateway.errors import GatewayError
from gateway.flow.sweep import Sweeper
from gateway.model.exchange import Intake
from gateway.model.full_list import Looked, Sweep, SweepPage
from gateway.testing.conformance import Result, failed, judged, not_run
from gateway.testing.conformance_house import TENANT, Head, House, Scene
from gateway.testing.simulation import Staged, staged
from gateway.transport.schedule import Scheduler, seated

RULE = "authoritative-sweep"
EARLY, BREAK, WHOLE = "lists-end-early", "answers-break", "answers-whole"
VANISH = "vanish"
"""Events that the simulator of a system whose lists are swept offers."""
_SECONDS = 60.0
"""Longest time for one sweep of all lists."""


class Offered(Sweeper):
    """Learns which lists an adapter offers to be swept; none is due before the rule has it read."""

    def __init__(self, house: House, name: str) -> None:
        gateway = house.gateway
        super().__init__(TENANT, name, gateway.store, gateway.vault, gateway.audit, interval=86_400.0, most_absent=1.0)
        self.lists: dict[str, Sweep] = {}

    async def due(self, sweep: Sweep) -> float:
        """Not yet."""
        self.lists[sweep.name] = sweep
        return self.interval


class _Disturbed:
    """A list during whose reading something happens: after each page, or before each direct question."""

    def __init__(self, sweep: Sweep, moment: Literal["page", "look"], happen: Callable[[], None]) -> None:
        self.name, self.type, self.also = sweep.name, sweep.type, sweep.also
        self.versioned, self.history = sweep.versioned, sweep.history
        self._sweep, self._moment, self._happen = sweep, moment, happen

    def owns(self, native_id: str) -> bool:
        """As the list says."""
        return self._sweep.owns(native_id)

    async def page(self, cursor: str | None) -> SweepPage:
        """The list's page."""
        page = await self._sweep.page(cursor)
        if self._moment == "page":
            self._happen()
        return page

    async def look(self, native_ids: Sequence[str]) -> Looked:
        """The list's answer."""
        if self._moment == "look":
            self._happen()
        return await self._sweep.look(native_ids)


async def sweep_rule(house: House, scene: Scene, anew: Scene, patience: float) -> Result:
    """authoritative-sweep: ``anew`` is a second source that reads the same clinic when rows have vanished from it."""
    stage = staged(scene.simulator)
    if stage is None:
        return not_run(RULE, "the simulator lets nothing happen at its clinic")
    offered = Offered(house, scene.name)
    with seated(Scheduler().seat(TENANT, scene.name, house.subject.name, {}, offered)):
        reading = asyncio.ensure_future(house.read(scene, lambda: False, 8 * patience))
    try:
        if not await house.until(house.quiet(scene), patience, reading.done):
            return not_run(RULE, "nothing arrived")
        await _until_all_are_offered(house, scene, offered)
        if not offered.lists:
            return not_run(RULE, "no list is swept")
        lacking = {VANISH, EARLY, BREAK, WHOLE} - stage.events.keys()
        if lacking:
            return not_run(RULE, f"the simulator lacks what may happen to lists: {', '.join(sorted(lacking))}")
        return await _Trial(house, scene, offered, stage).judge(anew, patience)
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


async def _until_all_are_offered(house: House, scene: Scene, offered: Offered) -> None:
    """A poller offers a list once it has read it and an interval has gone by."""
    known = -1
    while known != len(offered.lists):
        known = len(offered.lists)
        await asyncio.sleep(house.pause(scene))


class _Trial:
    """One clinic's lists, swept again and again."""

    def __init__(self, house: House, scene: Scene, offered: Offered, stage: Staged) -> None:
        self._house, self._scene, self._offered, self._stage = house, scene, offered, stage
        self._lists = [offered.lists[name] for name in sorted(offered.lists)]

    async def judge(self, anew: Scene, patience: float) -> Result:
        """First what must take nothing away, then what must."""
        before = self._house.heads(self._scene.name)
        error = await self._sweep(self._lists)
        if error:
            return failed(RULE, f"a full list cannot be read: {error}")
        if self._house.heads(self._scene.name) != before:
            return failed(RULE, f"full lists changed records though nothing had happened: {self._changed(before)}")
        for promise in (self._cut_short, self._broken_off):
            if why := await promise():
                return failed(RULE, why)
        return judged(RULE, [why async for why in self._vanished(anew, patience)])

    async def _cut_short(self) -> str:
        before = self._gone()
        self._stage.happen(EARLY)
        await self._sweep(self._lists)
        self._stage.happen(WHOLE)
        return "a list that was cut short took away what is there" if self._gone() - before else ""

    async def _broken_off(self) -> str:
        """Rows vanish, and answers break while the lists are read, then while rows are asked for."""
        before = self._gone()
        self._stage.happen(VANISH)
        moments: tuple[Literal["page", "look"], ...] = ("page", "look")
        for moment in moments:
            for one in self._lists:
                await self._sweep([_Disturbed(one, moment, lambda: self._stage.happen(BREAK))])
                self._stage.happen(WHOLE)
            if self._gone() - before:
                return "an answer that is an error was taken for an absence"
        return ""

    async def _vanished(self, anew: Scene, patience: float) -> AsyncIterator[str]:
        before = self._gone()
        if error := await self._sweep(self._lists):
            yield f"a list that was broken off cannot be read to its end: {error}"
        if not self._gone() - before:
            yield "what vanished from the full list stays here"
        told, stored = self._house.heads(self._scene.name), len(self._scene.items)
        await self._sweep(self._lists)
        if self._house.heads(self._scene.name) != told or len(self._scene.items) != stored:
            yield "what vanished is told again by the next sweep"
        await self._house.read(anew, self._house.quiet(anew), patience)
        records = self._house.records()
        here, there = ({key for key, (*_, gone) in records.get(one.name, {}).items() if not gone}
                       for one in (self._scene, anew))  # fmt: skip
        if there - here:
            yield f"records that are there were removed: {_types(there - here)}"
        if here - there:
            yield f"records of what is gone stay: {_types(here - there)}"

    async def _sweep(self, lists: Sequence[Sweep]) -> str:
        """Read lists to their end, side by side, and wait until records tell of it; the first error's name."""
        tap: Intake | None = self._scene.tap
        if tap is None:
            return "nothing is read"
        runs = [asyncio.wait_for(self._offered.run(one, tap), _SECONDS) for one in lists]
        errors = [_named(error) for error in await asyncio.gather(*runs, return_exceptions=True) if error is not None]
        await self._house.until(lambda: not self._house.gateway.handoff.unsettled, 10)
        return next(iter(errors), "")

    def _gone(self) -> set[bytes]:
        return {id for id, head in self._house.heads(self._scene.name).items() if head.removed}

    def _changed(self, before: dict[bytes, Head]) -> str:
        now = self._house.heads(self._scene.name)
        return ", ".join(sorted({head.type for id, head in now.items() if before.get(id) != head}))


def _types(keys: set[tuple[str, str]]) -> str:
    return ", ".join(sorted({type for type, _ in keys}))


def _named(error: BaseException) -> str:
    return error.code if isinstance(error, GatewayError) else type(error).__name__
