"""Last look: what the store says of changes in the moment before they are sent.

A change that a newer version of its record has followed is not sent on a route that wants the latest only. A derived
record counts as the latest only when its reactor has seen all there is: as long as something of its group or its
patient is unread, marked or on its way, it is held back for a moment. So a visit that was cancelled while its reminder
was about to go is not reminded of.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection

from gateway.flow.derived import PREFIX
from gateway.flow.lanes import intake_lane
from gateway.flow.leaving import Departed
from gateway.flow.policy import STALE, SUPERSEDED, UNSETTLED, Policy, Stop
from gateway.store import journal, messages, reactions
from gateway.store.opening import Store
from gateway.store.rows import Found

UNSETTLED_SECONDS = 0.5
STALE_SECONDS = 60.0
HEARD_SECONDS = 5.0
"""For so long it is remembered when a source was heard of."""


class LastLook:
    """Of one route."""

    def __init__(self, tenant: str, policy: Policy, store: Store) -> None:
        self._tenant = tenant
        self._policy = policy
        self._store = store
        self._heard: dict[str, tuple[float, int]] = {}

    async def look(self, changes: Sequence[Found], now: int) -> list[Stop | None]:
        """What stops each of these changes now."""
        if not changes or not self._needed:
            return [None] * len(changes)
        return await self._store.read(lambda connection: self.judge(connection, changes, now))

    @property
    def _needed(self) -> bool:
        return self._policy.latest_only or self._policy.stale_after is not None

    def judge(self, connection: Connection, changes: Sequence[Found], now: int) -> list[Stop | None]:
        """The same for who is reading already."""
        if not self._needed:
            return [None] * len(changes)
        heads = journal.record_heads(connection, self._tenant, {bytes(change.record_id) for change in changes})
        return [self._one(connection, change, heads.get(bytes(change.record_id)), now) for change in changes]

    def _one(self, connection: Connection, change: Found, head: Found | None, now: int) -> Stop | None:
        reactor = change.source.removeprefix(PREFIX) if change.source.startswith(PREFIX) else None
        if self._policy.latest_only:
            if head is not None and head.version > change.version and not isinstance(change, Departed):
                return Stop("suppressed", SUPERSEDED)
            if reactor is not None and self._moving(connection, reactor, change, now):
                return Stop("hold", UNSETTLED, UNSETTLED_SECONDS)
        if self._policy.stale_after is not None:
            sources = (
                {change.source}
                if reactor is None
                else reactions.sources_behind(connection, self._tenant, reactor, change.record_id)
            )
            oldest = min((self._heard_of(connection, source) for source in sources), default=now)
            if now - oldest > self._policy.stale_after * 1_000_000:
                return Stop("hold", STALE, STALE_SECONDS)
        return None

    def _moving(self, connection: Connection, reactor: str, change: Found, now: int) -> bool:
        """Whether the reactor may be about to say something else of this record."""
        group = reactions.makers(connection, self._tenant, reactor, [change.record_id]).get(bytes(change.record_id))
        if group is None:  # nobody makes it any more: its removal is on its way, unless this is the removal
            return bool(change.kind != "removed")
        lane = intake_lane(PREFIX + reactor, group.hex())
        return reactions.unsettled(connection, self._tenant, reactor, group, now, change.patient) or messages.waits(
            connection, self._tenant, PREFIX + reactor, lane
        )

    def _heard_of(self, connection: Connection, source: str) -> int:
        at, heard = self._heard.get(source, (0.0, 0))
        if time.monotonic() - at > HEARD_SECONDS:
            heard = messages.last_heard(connection, self._tenant, source)
            self._heard[source] = (time.monotonic(), heard)
        return heard
