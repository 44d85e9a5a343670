"""Valve: how many deliveries a route may take up now. Shut by a person, by the clock, or by a receiver that fails.

A shut valve costs nothing: changes stay in the journal, unread by the route, and no attempt is used up.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

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


class Valve:
    """One route's."""

    def __init__(self, policy: Policy, batch: int) -> None:
        self._policy = policy
        self._batch = batch if policy.at_once is None else min(batch, policy.at_once)
        rate, retries = policy.per_second, policy.retries_per_hour
        self._rate = None if rate is None else Bucket(rate, max(1.0, rate))
        self._retries = None if retries is None else Bucket(retries / 3600, retries)
        self._failing: set[str] = set()
        self._rests = 0
        self._until = 0.0
        self.state = "running"
        """What a person wants: running, paused or draining."""
        self.agreed = True
        """Whether the recipient has an agreement on file, where one is needed."""

    def most(self, now: int) -> int:
        """How many deliveries may be taken up."""
        if self.shut(now):
            return 0
        most = 1 if self._rests else self._batch
        return most if self._rate is None else min(most, int(self._rate.held))

    def shut(self, now: int) -> str:
        """Why nothing may be taken up at all; empty when something may."""
        if self.state == "paused":
            return "paused"
        if not self.agreed:
            return "no-agreement"
        if self._policy.hours and not is_open(self._policy.hours, moment(now).astimezone(self._policy.zone)):
            return "outside-hours"
        return "resting" if time.monotonic() < self._until else ""

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

    def heard(self, outcomes: Sequence[tuple[str, Outcome]]) -> None:
        """What the receiver answered, by order. One patient that fails is that patient's matter; many are its own."""
        if self._policy.break_after is None:
            return
        failed = {order: one for order, one in outcomes if isinstance(one, Retry | Ambiguous) and one != HELD}
        if any(not isinstance(one, Retry | Ambiguous) for _, one in outcomes):
            self._failing, self._rests = set(), 0
            return
        self._failing |= failed.keys()
        if failed and (self._rests or len(self._failing) >= self._policy.break_after):
            asked = max((one.after or 0.0 for one in failed.values() if isinstance(one, Retry)), default=0.0)
            longest = min(LONGEST_REST, FIRST_REST * 2**self._rests)
            rest = random.uniform(longest / 2, longest)  # noqa: S311 - spreading load, not keeping a secret
            self._until = time.monotonic() + max(rest, min(asked, LONGEST_REST))
            self._rests = min(self._rests + 1, 10)

    def describe(self, now: int) -> dict[str, Any]:
        """How it stands, for ``gateway routes``."""
        return {
            "state": self.state,
            "shut": self.shut(now),
            "rest_seconds": round(max(0.0, self._until - time.monotonic()), 1),
            "retries_left": None if self._retries is None else int(self._retries.held),
        }
