"""When to try again: a growing schedule with full jitter, within what the peer asked for."""

from __future__ import annotations

import random

SCHEDULE = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each further attempt where a route has no ``retries``; after the last one it is quarantined."""
MOST_AFTER = 86_400.0
"""A peer's Retry-After is obeyed up to a day."""


def pause(attempts: int, after: float | None, schedule: tuple[float, ...] = SCHEDULE) -> float | None:
    """Seconds to wait before the next attempt, or None when there shall be none.

    Args:
        attempts: how many have been made.
        after: the least the peer asked for.
        schedule: upper bounds; the pause is drawn evenly below them, so that many clients do not come back at once.
    """
    if attempts > len(schedule):
        return None
    drawn = random.uniform(0, schedule[attempts - 1])  # noqa: S311 - spreading load, not keeping a secret
    return max(drawn, min(after or 0.0, MOST_AFTER))
