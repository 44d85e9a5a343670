"""Valve: how many deliveries a route may take up now. Shut by a person, by the clock, or by a receiver that fails.

A shut valve costs nothing: changes stay in the journal, unread by the route, and no attempt is used up. That a receiver
rests is kept in the store, under the peer and not the route: a restart does not wake it, and all routes to it rest.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.flow.clock import moment
from gateway.flow.policy import Policy
from gateway.model.exchange import HELD, Ambiguous, Outcome, Retry
from gateway.model.opening_hours import is_open

FIRST_REST, LONGEST_REST = 5.0, 300.0
"""Seconds for which a failing receiver is left alone: doubled each time."""


class Bucket:
    """So many per second on average, and at most ``most`` at once."""

    def __init__(self, per_second: float, most: float) -> None:
        self._per_second, self._most, self._held, self._at = per_second, most, most, time.monotonic()

    @property
    def held(self) -> float:
        """How many there are now."""
        now = time.monotonic()
        self._held = min(self._most, self._held + (now - self._at) * self._per_second)
        self._at = now
        return self._held

    def take(self, count: int) -> None:
        """Use up so many; it may go below nothing, and then takes as long to come back."""
        self._held = self.held - count


class Rest(NamedTuple):
    """How a failing receiver is left alone."""

    times: int = 0
    """How often in a row: each time for longer. While it is not 0, one delivery at a time tries."""
    until: int = 0
    """Microseconds since 1970."""


class Valve:
    """One route's."""

    def __init__(self, policy: Policy, batch: int) -> None:
        self._policy = policy
        self._batch = batch if policy.at_once is None else min(batch, policy.at_once)
        rate, retries = policy.per_second, policy.retries_per_hour
        self._rate = None if rate is None else Bucket(rate, max(1.0, rate))
        self._retries = None if retries is None else Bucket(retries / 3600, retries)
        self._failing: set[str] = set()
        self._rest = Rest()
        self.state = "running"
        """What a person wants: running, paused or draining."""
        self.agreed = True
        """Whether the recipient has an agreement on file, where one is needed."""

    def most(self, now: int) -> int:
        """How many deliveries may be taken up."""
        if self.shut(now):
            return 0
        most = 1 if self.rest.times else self._batch
        return most if self._rate is None else min(most, int(self._rate.held))

    def shut(self, now: int) -> str:
        """Why nothing may be taken up at all; empty when something may."""
        if self.state == "paused":
            return "paused"
        if not self.agreed:
            return "no-agreement"
        if self._policy.hours and not is_open(self._policy.hours, moment(now).astimezone(self._policy.zone)):
            return "outside-hours"
        return "resting" if now < self.rest.until else ""

    @property
    def rest(self) -> Rest:
        """How the receiver rests; it never does on a route without ``break_after``."""
        return self._rest

    def rests(self, rest: Rest, now: int) -> None:
        """Take over how it rests by what was stored; a clock that was put back lets it rest no longer than ever.

        Who was woken by a person, or by another route's success, is trusted as if it had never failed.
        """
        if self._policy.break_after is not None:
            if self._rest.times and not rest.times:
                self._failing = set()
            self._rest = rest._replace(until=min(rest.until, now + int(LONGEST_REST * 1_000_000)))

    @property
    def retries(self) -> bool:
        """Whether the retry budget allows for another attempt."""
        return self._retries is None or self._retries.held >= 1

    def took(self, count: int, retries: int) -> None:
        """So many are on their way, so many of them not for the first time."""
        if self._rate is not None:
            self._rate.take(count)
        if self._retries is not None and retries:
            self._retries.take(retries)

    def heard(self, outcomes: Sequence[tuple[str, Outcome]], now: int) -> None:
        """What the receiver answered, by order. One patient that fails is that patient's matter; many are its own."""
        if self._policy.break_after is None:
            return
        failed = {order: one for order, one in outcomes if isinstance(one, Retry | Ambiguous) and one != HELD}
        if any(not isinstance(one, Retry | Ambiguous) for _, one in outcomes):
            self._failing, self._rest = set(), Rest()
            return
        self._failing |= failed.keys()
        count = self._rest.times
        if failed and (count or len(self._failing) >= self._policy.break_after):
            asked = max((one.after or 0.0 for one in failed.values() if isinstance(one, Retry)), default=0.0)
            longest = min(LONGEST_REST, FIRST_REST * 2**count)
            rest = random.uniform(longest / 2, longest)  # noqa: S311 - spreading load, not keeping a secret
            rest = max(rest, min(asked, LONGEST_REST))
            self._rest = Rest(min(count + 1, 10), now + int(rest * 1_000_000))

    def describe(self, now: int) -> dict[str, Any]:
        """How it stands, for ``gateway routes``."""
        return {
            "state": self.state,
            "shut": self.shut(now),
            "rest_seconds": round(max(0, self.rest.until - now) / 1_000_000, 1),
            "retries_left": None if self._retries is None else int(self._retries.held),
        }
