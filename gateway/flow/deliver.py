"""Deliver: hand a route's changes to its sink, and write what happened and what was disclosed.

Theory of operation. A claim names the changes of one dispatch and is committed, with its access entry, before anything
is opened; it ends in the same commit that writes the deliveries. A claim found open after a crash is sent again as the
same dispatch: same id, same deliveries, same keys. A change that must be tried again waits, and the later changes of
its patient wait behind it; everybody else goes on.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.errors import RetryLater
from gateway.flow.call import Caller
from gateway.flow.clock import micros
from gateway.flow.dispatch import Opener, Route, Sending
from gateway.flow.parking import BEHIND, DOUBT, MERGE, Parking
from gateway.flow.retry import pause
from gateway.flow.route import order_key, read_on
from gateway.flow.words import stored_word
from gateway.hookspecs import OpenSink
from gateway.model.exchange import HELD, Ambiguous, Delivered, Dispatch, Outcome, Rejected, Retry
from gateway.store import deliveries
from gateway.store.opening import Store
from gateway.vault import Vault

IDLE_SECONDS = 1.0
PAUSE_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Deliverer:
    """Runs one route."""

    def __init__(self, route: Route, sink: OpenSink, store: Store, vault: Vault, audit: AuditLog) -> None:
        self.route = route
        self._sink = sink
        self._store = store
        self._caller = Caller(route, sink)
        self._opener = Opener(route, store, vault, audit)
        self._audit = audit
        self._cursors: dict[int, int] = {}
        self._parking = Parking(route.tenant, route.name)
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
                    recovered = True
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
        for claim in await self._store.read(lambda c: deliveries.open_claims(c, tenant, name)):
            items = [tuple(item) for item in json.loads(claim.items)]
            await self._send(claim.claim_id, items, {(lane, position) for lane, position, _ in items})

    async def _reload(self) -> None:
        """Mirror the waiting room as the store has it: a person may have released something."""
        tenant, name = self.route.tenant, self.route.name
        waiting = await self._store.read(lambda c: deliveries.waiting_of(c, tenant, name))
        halted = await self._store.read(lambda c: deliveries.quarantined(c, tenant, name)) if self.route.halt else []
        self._parking.load(waiting, {order_key(row) for row in halted})
        self._loaded = time.monotonic()

    async def step(self) -> int | None:
        """Claim and send one dispatch; how many changes it held, or None when there is nothing to do now."""
        now = micros()
        due = self._parking.due(now, self.route.info.batch)
        reading = await self._store.read(
            lambda c: read_on(
                c,
                self.route.tenant,
                self.route.filter,
                self._cursors,
                self._parking.keys,
                self.route.info.batch - len(due),
            )
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
            doubtful = {(one.lane, one.position) for one in due if one.reason.startswith(DOUBT)}
            await self._send(claim_id, items, doubtful)
        return len(items)

    async def _rest(self) -> None:
        """Wait for news, or for the time at which something is due."""
        wait = self._parking.next_due_seconds(micros(), IDLE_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):  # unlike wait_for, it loses no cancellation that comes with the news
                await self.changed.wait()

    # --- sending ------------------------------------------------------------------------------------------------

    async def _send(
        self, claim_id: int, items: Sequence[tuple[int, int, int]], doubtful: AbstractSet[tuple[int, int]]
    ) -> None:
        """Send what was claimed; ``doubtful`` are the places of what may have happened already."""
        sendings = await asyncio.to_thread(self._opener.open, items)
        offered = [sending for sending in sendings if sending.delivery is not None]
        outcomes: Sequence[Outcome] = ()
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
        await self._finish(claim_id, sendings, dict(zip(map(id, offered), outcomes, strict=True)))

    # --- finishing ----------------------------------------------------------------------------------------------

    async def _finish(self, claim_id: int, sendings: Sequence[Sending], outcomes: dict[int, Outcome]) -> None:
        now = micros()
        done: list[dict[str, Any]] = []
        again: list[dict[str, Any]] = []
        for sending in sendings:
            outcome = outcomes.get(id(sending))
            key = order_key(sending.change)
            row = self._verdict(sending, outcome, now)
            if row is not None:
                done.append(row)
                if row["outcome"] == "quarantined" and self.route.halt:
                    self._parking.halt(key)
            else:
                again.append(self._again(sending, outcome, now))
        tenant, name = self.route.tenant, self.route.name
        entry = self._outcome_entry(sendings, done, again)

        def unit(connection: Connection) -> None:
            numbers = deliveries.next_attempts(connection, tenant, name, done)
            for row in done:
                row["attempt"] = numbers.get((row["lane"], row["position"]), 0)
            deliveries.close_claim(connection, tenant, name, claim_id, done)
            deliveries.put_waiting(connection, again)
            self._audit.append(connection, entry)

        await self._store.write(unit)
        self._parking.put(again)

    def _again(self, sending: Sending, outcome: Outcome | None, now: int) -> dict[str, Any]:
        """The waiting row of a change that must be tried again; one held behind another has not been tried."""
        change = sending.change
        key = order_key(change)
        if not isinstance(outcome, Retry | Ambiguous) or outcome == HELD:
            return self._parking.row(key, change.lane, change.position, sending.attempts, now, BEHIND)
        attempts = sending.attempts + 1
        reason = DOUBT + outcome.reason if isinstance(outcome, Ambiguous) else outcome.reason
        seconds = pause(attempts, getattr(outcome, "after", None), self.route.schedule) or 0.0
        return self._parking.row(key, change.lane, change.position, attempts, now + int(seconds * 1_000_000), reason)

    def _verdict(self, sending: Sending, outcome: Outcome | None, now: int) -> dict[str, Any] | None:
        """The delivery row that ends this change on this route, or None when it must be tried again."""
        if sending.damaged:
            return self._row(sending, "quarantined", "damaged", "", now)
        if sending.delivery is None:
            return self._row(sending, "suppressed", "view-grants-nothing", "", now)
        if isinstance(outcome, Delivered):
            return self._row(sending, "delivered", "", outcome.receipt, now)
        if isinstance(outcome, Rejected):
            return self._row(sending, "quarantined", outcome.reason, "", now)
        if isinstance(outcome, Ambiguous) and self.route.info.idempotency == "none":
            return self._row(sending, "quarantined", DOUBT + outcome.reason, "", now)
        if outcome is not None and outcome != HELD and sending.attempts + 1 > len(self.route.schedule):
            return self._row(sending, "quarantined", f"gave-up:{outcome.reason}", "", now)
        return None

    def _row(self, sending: Sending, outcome: str, reason: str, receipt: str, now: int) -> dict[str, Any]:
        change, delivery = sending.change, sending.delivery
        return {
            "tenant": self.route.tenant, "route": self.route.name, "lane": change.lane, "position": change.position,
            "attempt": 0, "outcome": outcome, "reason": stored_word(reason, 120), "receipt": stored_word(receipt, 500),
            "effect": self._opener.effect(change), "patient": change.patient, "recipient": self.route.recipient,
            "purpose": self.route.purpose, "fields": "" if delivery is None else ",".join(delivery.fields), "at": now,
        }  # fmt: skip

    def _outcome_entry(
        self, sendings: Sequence[Sending], done: Sequence[dict[str, Any]], again: Sequence[dict[str, Any]]
    ) -> Any:
        counts = {"retry": len(again)}
        for row in done:
            counts[row["outcome"]] = counts.get(row["outcome"], 0) + 1
        patients = {UUID(bytes=one.change.patient) for one in sendings if one.change.patient is not None}
        return self._audit.entry(
            self.route.tenant, action="deliver", actor=f"route:{self.route.name}", purpose=self.route.purpose,
            patients=sorted(map(str, patients)), counts=counts, outcome="sent",
        )  # fmt: skip
