"""Deliver: hand a route's changes to its sink, and write what happened and what was disclosed.

Theory of operation. A claim names the changes of one dispatch and is committed, with its access entry, before anything
is opened; it ends in the same commit that writes the deliveries. A claim found open after a crash is sent again as the
same dispatch: same id, same deliveries, same keys. Where the store is away only for a while, the answers are kept until
it takes them, and nothing is sent again. A change that must be tried again waits, and the later changes of its patient
wait behind it; everybody else goes on.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.descriptors import require_descriptor
from gateway.errors import RetryLater
from gateway.flow.answers import keep_answers
from gateway.flow.call import Caller
from gateway.flow.clock import micros
from gateway.flow.dispatch import Opener, Route, Sending
from gateway.flow.finish import Finisher, write_end
from gateway.flow.inside import InsidePage, disclose_inside, inside_pages
from gateway.flow.last_look import LastLook
from gateway.flow.parking import DOUBT, MERGE, Parking
from gateway.flow.replay import replay_of
from gateway.flow.route import Reading, halted_keys, order_key, read_beside
from gateway.flow.valve import Rest, Valve
from gateway.hookspecs import OpenSink
from gateway.model.exchange import Ambiguous, Delivered, Dispatch, Intake, Outcome, Reaching
from gateway.store import agreements, deliveries, route_states
from gateway.store.opening import Store
from gateway.vault import Vault

IDLE_SECONDS = 1.0
SHUT_SECONDS = 0.1
"""How often a route that may not send looks whether it may."""
PAUSE_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Deliverer:
    """Runs one route."""

    def __init__(
        self, route: Route, sink: OpenSink, store: Store, vault: Vault, audit: AuditLog, answers: Intake | None = None
    ) -> None:
        self.route = route
        self._sink = sink
        self._store = store
        self._caller = Caller(route, sink)
        self._opener = Opener(route, store, vault, audit)
        self._audit = audit
        self._answers = answers
        self._cursors: dict[int, int] = {}
        self._parking = Parking(route.tenant, route.name)
        self._finisher = Finisher(route, self._opener, self._parking, audit)
        self._last_look = LastLook(route.tenant, route.policy, store)
        self.valve = Valve(route.policy, route.info.batch)
        peer = sink.endpoint if isinstance(sink, Reaching) else f"route {route.name}"
        self._endpoint = vault.digest(route.tenant, b"endpoint\0" + peer.encode())[:16]
        self._loaded = 0.0
        self.changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many changes wait for another attempt or behind one."""
        return self._parking.count

    async def close(self) -> None:
        """Let go of the sink."""
        await self._sink.close()

    async def run(self) -> None:
        """Finish what a crash cut off, then deliver until cancelled; after a failure look again at what is stored."""
        recovered = False
        while True:
            self.changed.clear()
            try:
                if not recovered:
                    await self.recover()
                    recovered = self.valve.agreed  # without an agreement, what was claimed before waits as well
                elif time.monotonic() - self._loaded > IDLE_SECONDS:
                    await self._reload()
                worked = await self.step()
            except RetryLater as error:
                recovered = False
                log.warning("route-waits", route=self.route.name, error=error.code)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if worked is None:
                await self._rest()
            elif worked < self.route.info.batch and self.route.info.linger:
                await asyncio.sleep(self.route.info.linger)

    async def recover(self) -> None:
        """Load where the route stands and send open claims again."""
        tenant, name = self.route.tenant, self.route.name
        await self._store.write(
            lambda c: deliveries.register(c, tenant, name, self.route.filter.text, micros(), now=self.route.start_now)
        )
        self._cursors = await self._store.read(lambda c: deliveries.cursors(c, tenant, name))
        await self._reload()
        if not self.valve.agreed:
            return
        for claim in await self._store.read(lambda c: deliveries.open_claims(c, tenant, name)):
            items = [(lane, position, attempts) for lane, position, attempts in json.loads(claim.items)]
            places = {(lane, position) for lane, position, _ in items}
            await self._send(claim.claim_id, items, places, await self._replays(places))

    async def _reload(self) -> None:
        """Mirror the waiting room as the store has it: a person may have released something."""
        tenant, name = self.route.tenant, self.route.name
        halted = await asyncio.to_thread(halted_keys, self._store, tenant, name) if self.route.halt else set()
        self.valve.state, rest = await self._store.read(
            lambda c: (route_states.state_of(c, tenant, name), route_states.rest_of(c, tenant, self._endpoint))
        )
        if self.valve.state == route_states.WAKING:
            await self._store.write(lambda c: route_states.wake(c, tenant, name, self._endpoint, micros()))
            self.valve.state, rest = route_states.RUNNING, Rest()
        waiting = await self._store.read(lambda c: deliveries.waiting_of(c, tenant, name))
        self.valve.rests(Rest(*rest), micros())
        if self.route.agreement:
            parties = await self._store.read(lambda c: agreements.valid(c, micros(), tenant))
            agreed = (tenant, self.route.recipient) in parties
            if self.valve.agreed and not agreed:
                log.error("route-held", route=name, reason="no-agreement")
            self.valve.agreed = agreed
        self._parking.load(waiting, halted)
        self._loaded = time.monotonic()

    async def step(self) -> int | None:
        """Claim and send one dispatch; how many changes it held, or None when there is nothing to do now."""
        now = micros()
        most = self.valve.most(now)
        if most <= 0:
            return None
        require_descriptor()
        due = self._parking.due(now, most) if self.valve.retries else []
        if self.valve.state == "draining":
            reading = Reading()
            if not self._parking.count:
                await self._drained(now)
        else:
            parked, filter_ = self._parking.keys, self.route.filter
            reading = await asyncio.to_thread(
                read_beside, self._store, self.route.tenant, filter_, self._cursors, parked, most - len(due)
            )
        if not due and not reading.moved:
            return None
        items = [(one.lane, one.position, one.attempts) for one in due if not one.reason.startswith(MERGE)]
        items += [(row.lane, row.position, 0) for row in reading.wanted]
        set_aside = self._parking.behind(reading.behind, now) + self._parking.merges(
            reading.barriers, {order_key(row) for row in reading.wanted}
        )
        claim_id = await asyncio.to_thread(self._store.next_id)
        left = [self._parking.leave(one) for one in due]
        tenant, name = self.route.tenant, self.route.name

        def unit(connection: Connection) -> None:
            deliveries.move_cursors(connection, tenant, name, reading.moved)
            deliveries.leave_waiting(connection, left)
            deliveries.put_waiting(connection, set_aside)
            if items:
                deliveries.claim(connection, tenant, name, claim_id, items, now)

        await self._store.write(unit)
        self._cursors.update(reading.moved)
        self._parking.took(due)
        self._parking.put(set_aside)
        if items:
            self.valve.took(len(items), sum(one.attempts > 0 for one in due))
            doubtful = {(one.lane, one.position) for one in due if one.reason.startswith(DOUBT)}
            replays = await self._replays({(one.lane, one.position) for one in due})
            await self._send(claim_id, items, doubtful, replays)
        return len(items)

    async def _drained(self, now: int) -> None:
        """Nothing waits any more: the route stays still until a person lets it run."""
        await self._store.write(lambda c: route_states.set_state(c, self.route.tenant, self.route.name, "paused", now))
        self.valve.state = "paused"

    async def _replays(self, places: AbstractSet[tuple[int, int]]) -> dict[tuple[int, int], str]:
        """Which of these changes wait for a replay, and for which one."""
        if not places:
            return {}
        tenant, name, wanted = self.route.tenant, self.route.name, sorted(places)
        rows = await self._store.read(lambda c: route_states.last_rows(c, tenant, name, wanted))
        return {place: name for place, row in rows.items() if (name := replay_of(row))}

    async def _rest(self) -> None:
        """Wait for news, or for the time at which something is due."""
        now = micros()
        idle = self.valve.most(now) <= 0 or not self.valve.retries
        wait = SHUT_SECONDS if idle else self._parking.next_due_seconds(now, IDLE_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):  # unlike wait_for, it loses no cancellation that comes with the news
                await self.changed.wait()

    # --- sending ------------------------------------------------------------------------------------------------

    async def _send(
        self, claim_id: int, items: Sequence[tuple[int, int, int]], doubtful: AbstractSet[tuple[int, int]],
        replays: Mapping[tuple[int, int], str],
    ) -> None:  # fmt: skip
        """Send what was claimed; ``doubtful`` are the places of what may have happened already."""
        sendings = await asyncio.to_thread(self._opener.open, items, replays)
        sendings, settled = await self._looked_at(sendings, doubtful)
        offered = _offered(sendings, settled, halts=self.route.halt)
        outcomes: Sequence[Outcome] = ()
        rested = self.valve.rest
        if offered:
            dispatch = Dispatch(
                id=f"{claim_id:016d}", route=self.route.name,
                deliveries=tuple(sending.delivery for sending in offered if sending.delivery is not None),
            )  # fmt: skip
            doubts = {
                one.delivery.key
                for one in offered
                if one.delivery is not None and (one.change.lane, one.change.position) in doubtful
            }
            outcomes = await self._caller.send(dispatch, doubts)
            heard = [(one.order, told) for one, told in zip(dispatch.deliveries, outcomes, strict=True)]
            self.valve.heard(heard, micros())
        await keep_answers(self._answers, self.route.name, [*settled.values(), *outcomes])
        told = settled | dict(zip(map(id, offered), outcomes, strict=True))
        await self._finish(claim_id, sendings, told, doubtful, rested)

    async def _looked_at(
        self, sendings: list[Sending], doubtful: AbstractSet[tuple[int, int]]
    ) -> tuple[list[Sending], dict[int, Outcome]]:
        """All of them as the store has them now; and by ``id`` what is known of those that may have happened already.

        What would not be sent any more and may have been sent already is asked about first: if it was, it is delivered.
        """
        now = micros()
        going = [one for one in sendings if one.delivery is not None and one.stop is None]
        stops = await self._last_look.look([one.change for one in going], now)
        stopped = {id(one): stop for one, stop in zip(going, stops, strict=True) if stop is not None}
        looked = [replace(one, stop=stopped[id(one)]) if id(one) in stopped else one for one in sendings]
        settled: dict[int, Outcome] = {}
        for index, one in enumerate(looked):
            doubt = (one.change.lane, one.change.position) in doubtful
            if not doubt or one.delivery is None or one.stop is None or one.stop.outcome == "hold":
                continue
            told = await self._caller.ask(one.delivery)
            if told is None:
                looked[index] = replace(one, doubtful=True)
            elif isinstance(told, Delivered | Ambiguous):
                looked[index] = replace(one, stop=None)
                settled[id(looked[index])] = told
        return looked, settled

    # --- finishing ----------------------------------------------------------------------------------------------

    async def _finish(
        self, claim_id: int, sendings: Sequence[Sending], outcomes: dict[int, Outcome],
        doubtful: AbstractSet[tuple[int, int]], rested: Rest,
    ) -> None:  # fmt: skip
        now = micros()
        done: list[dict[str, Any]] = []
        again: list[dict[str, Any]] = []
        for sending in sendings:
            outcome = outcomes.get(id(sending))
            key = order_key(sending.change)
            row = self._finisher.verdict(sending, outcome, now)
            if row is not None:
                done.append(row)
                if row["outcome"] == "quarantined" and self.route.halt:
                    self._parking.halt(key)
            else:
                doubt = (sending.change.lane, sending.change.position) in doubtful
                again.append(self._finisher.again(sending, outcome, now, doubtful=doubt))
        tenant, name = self.route.tenant, self.route.name
        entry = self._finisher.entry(sendings, done, len(again))
        inside: list[InsidePage] = []
        if any(one.inside for one in sendings):
            inside = await asyncio.to_thread(inside_pages, self.route, sendings, done, self._store, self._audit)

        def unit(connection: Connection) -> None:
            numbers = deliveries.next_attempts(connection, tenant, name, done)
            for row in done:
                row["attempt"] = numbers.get((row["lane"], row["position"]), 0)
            deliveries.close_claim(connection, tenant, name, claim_id, done)
            deliveries.put_waiting(connection, again)
            if self.valve.rest != rested:
                route_states.set_rest(connection, tenant, self._endpoint, *self.valve.rest)
            self._audit.append(connection, entry)
            disclose_inside(connection, self._audit, inside)

        await write_end(self._store, self.route, claim_id, unit)
        self._parking.put(again)


def _offered(sendings: Sequence[Sending], settled: Mapping[int, Outcome], *, halts: bool) -> list[Sending]:
    """Those to be sent; what follows one of its patient that is held, or that nobody knows about, waits too.

    Where a route ``halts``, what follows one that cannot be opened does as well.
    """
    offered: list[Sending] = []
    held: set[bytes] = set()
    for one in sendings:
        key = order_key(one.change)
        stays = (one.stop is not None and one.stop.outcome == "hold") or (one.damaged and halts)
        if stays or isinstance(settled.get(id(one)), Ambiguous):
            held.add(key)
        elif one.delivery is not None and one.stop is None and key not in held and id(one) not in settled:
            offered.append(one)
    return offered
