"""Quotas: how many requests a client may make in a minute, told in every answer before they are used up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from gateway.http.refusal import HttpRefusal

WINDOW = 60.0


class Quotas:
    """A bucket per client of this process that fills evenly; a full one holds a minute's requests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, client: str, quota: int) -> dict[str, str]:
        """Take one request; the headers that tell how many are left.

        Raises:
            HttpRefusal: 429 with the time after which the next one passes.
        """
        now = self._clock()
        left, at = self._buckets.get(client, (float(quota), now))
        left = min(float(quota), left + (now - at) * quota / WINDOW)
        headers = {"RateLimit-Limit": str(quota), "RateLimit-Policy": f"{quota};w={WINDOW:.0f}"}
        if left < 1.0:
            self._buckets[client] = (left, now)
            wait = str(max(1, math.ceil((1.0 - left) * WINDOW / quota)))
            raise HttpRefusal(
                429, "quota-used-up", "This client has used up its requests for now", fix=f"Ask again in {wait} s.",
                headers={**headers, "RateLimit-Remaining": "0", "RateLimit-Reset": wait, "Retry-After": wait},
            )  # fmt: skip
        self._buckets[client] = (left - 1.0, now)
        reset = math.ceil((quota - left + 1.0) * WINDOW / quota)
        return {**headers, "RateLimit-Remaining": str(int(left - 1.0)), "RateLimit-Reset": str(reset)}
