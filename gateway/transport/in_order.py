"""In order: deliveries of one order go one after another, the others side by side. What every sink owes its route."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from gateway.model.exchange import HELD, Delivered, Delivery, Outcome, Retry

ENOUGH = 60.0
"""Seconds after which a dispatch begins nothing new: a slow receiver gets the rest in a later one."""

_LATER = Retry("receiver-too-slow")


async def in_order(
    deliveries: Sequence[Delivery], send: Callable[[Delivery], Awaitable[Outcome]], turns: asyncio.Semaphore
) -> Sequence[Outcome]:
    """Send all; after one that did not succeed, the later ones of its order are held.

    Args:
        deliveries: of one dispatch.
        send: sends one, and raises nothing for what a receiver may do.
        turns: how many may be under way at one time.
    """
    outcomes: list[Outcome] = [HELD] * len(deliveries)
    end = time.monotonic() + ENOUGH
    chains: dict[str, list[int]] = {}
    for place, delivery in enumerate(deliveries):
        chains.setdefault(delivery.order, []).append(place)

    async def run(chain: Sequence[int]) -> None:
        for place in chain:
            async with turns:
                outcomes[place] = _LATER if time.monotonic() > end else await send(deliveries[place])
            if not isinstance(outcomes[place], Delivered):
                return

    async with asyncio.TaskGroup() as group:
        for chain in chains.values():
            group.create_task(run(chain))
    return outcomes
