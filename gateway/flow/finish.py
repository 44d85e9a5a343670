"""Finish: what the answers to a dispatch mean, what ends a change on a route, what is tried again, and writing it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.audit.entry import Entry
from gateway.errors import StoreUnavailable
from gateway.flow.dispatch import Opener, Route, Sending
from gateway.flow.parking import BEHIND, DOUBT, Parking
from gateway.flow.places import record_text
from gateway.flow.retry import pause
from gateway.flow.route import order_key
from gateway.flow.words import stored_word
from gateway.model.exchange import HELD, Ambiguous, Delivered, Outcome, Rejected, Retry
from gateway.store import deliveries
from gateway.store.opening import Store
from gateway.store.writer import Unit

PAUSE_SECONDS = 1.0
KEPT_SECONDS = 60.0
"""How long the answers to a dispatch are kept while the store cannot take them; then it is sent again."""

log = structlog.get_logger(__name__)


class Finisher:
    """Of one route."""

    def __init__(self, route: Route, opener: Opener, parking: Parking, audit: AuditLog) -> None:
        self._route = route
        self._opener = opener
        self._parking = parking
        self._audit = audit

    def again(self, sending: Sending, outcome: Outcome | None, now: int, *, doubtful: bool) -> dict[str, Any]:
        """The waiting row of a change that must be tried again; one held behind another has not been tried.

        One that was ``doubtful`` and about which nobody was asked this time stays so.
        """
        change, stop = sending.change, sending.stop
        key = order_key(change)
        if stop is not None:
            due = now + int(stop.seconds * 1_000_000)
            reason = DOUBT + stop.reason if doubtful else stop.reason
            return self._parking.row(key, change.lane, change.position, sending.attempts, due, reason)
        if not isinstance(outcome, Retry | Ambiguous) or outcome == HELD:
            reason = DOUBT + BEHIND if doubtful and outcome is None else BEHIND
            return self._parking.row(key, change.lane, change.position, sending.attempts, now, reason)
        attempts = sending.attempts + 1
        reason = DOUBT + outcome.reason if isinstance(outcome, Ambiguous) else outcome.reason
        seconds = pause(attempts, getattr(outcome, "after", None), self._route.schedule) or 0.0
        return self._parking.row(key, change.lane, change.position, attempts, now + int(seconds * 1_000_000), reason)

    def verdict(self, sending: Sending, outcome: Outcome | None, now: int) -> dict[str, Any] | None:
        """The delivery row that ends this change on this route, or None when it must be tried again."""
        if sending.damaged:
            return self._row(sending, "quarantined", "damaged", "", now)
        if sending.stop is not None:
            stop = sending.stop
            reason = DOUBT + stop.reason if sending.doubtful else stop.reason
            return None if stop.outcome == "hold" else self._row(sending, stop.outcome, reason, "", now)
        if sending.delivery is None:
            return self._row(sending, "suppressed", "view-grants-nothing", "", now)
        if isinstance(outcome, Delivered):
            row = self._row(sending, "delivered", "", outcome.receipt, now)
            return row if outcome.told is None else row | {"fields": ",".join(outcome.told)}
        if isinstance(outcome, Rejected):
            return self._row(sending, "quarantined", outcome.reason, "", now)
        if isinstance(outcome, Ambiguous) and self._route.info.idempotency == "none":
            return self._row(sending, "quarantined", DOUBT + outcome.reason, "", now)
        if outcome is not None and outcome != HELD and sending.attempts + 1 > len(self._route.schedule):
            return self._row(sending, "quarantined", f"gave-up:{outcome.reason}", "", now)
        return None

    def _row(self, sending: Sending, outcome: str, reason: str, receipt: str, now: int) -> dict[str, Any]:
        change, delivery, route = sending.change, sending.delivery, self._route
        unsent = sending.stop is not None and not sending.doubtful
        return {
            "tenant": route.tenant, "route": route.name, "lane": change.lane, "position": change.position,
            "attempt": 0, "outcome": outcome, "reason": stored_word(reason, 120), "receipt": stored_word(receipt, 500),
            "effect": self._opener.effect(change, sending.replay) if delivery is None else bytes.fromhex(delivery.key),
            "patient": change.patient,
            "recipient": route.recipient, "purpose": route.purpose,
            "fields": "" if unsent or delivery is None else ",".join(delivery.fields), "at": now,
        }  # fmt: skip

    def entry(self, sendings: Sequence[Sending], done: Sequence[Mapping[str, Any]], again: int) -> Entry:
        """The audit entry of one dispatch: whose patients, and how many came to what."""
        counts = {"retry": again}
        for row in done:
            counts[row["outcome"]] = counts.get(row["outcome"], 0) + 1
        patients = {bytes(one.change.patient) for one in sendings if one.change.patient is not None}
        return self._audit.entry(
            self._route.tenant, action="deliver", actor=f"route:{self._route.name}", purpose=self._route.purpose,
            patients=sorted(map(record_text, patients)), counts=counts, outcome="sent",
        )  # fmt: skip


async def write_end(store: Store, route: Route, claim_id: int, unit: Unit[None]) -> None:
    """Write what a dispatch came to, once the store can: what is known need not be sent, or asked about, again.

    A write that failed may have been kept: then the claim is gone, and nothing is left to be written.

    Raises:
        StoreUnavailable: the store was away for too long.
    """
    until = time.monotonic() + KEPT_SECONDS

    def still(connection: Connection) -> None:
        if deliveries.is_claimed(connection, route.tenant, route.name, claim_id):
            unit(connection)

    attempt = unit
    while True:
        try:
            return await store.write(attempt)
        except StoreUnavailable as error:
            if time.monotonic() > until:
                raise
            log.warning("answers-wait", route=route.name, error=error.code)
        await asyncio.sleep(PAUSE_SECONDS)
        attempt = still
