"""What became of a message, for a transport whose peer waits to hear it."""

from __future__ import annotations

import asyncio

from gateway.flow.handoff import Handoff
from gateway.model.exchange import Fate, Receipt
from gateway.store import messages
from gateway.store.opening import Store

LOOK_SECONDS = 1.0
"""Between two looks whether another process has settled the message."""


async def awaited(store: Store, handoff: Handoff, tenant: str, receipt: Receipt) -> Fate:
    """The first outcome of a message; told by this process's normalizer, or read where another one settles it."""
    loop, message_id = asyncio.get_running_loop(), receipt.message_id
    told: asyncio.Future[Fate] = loop.create_future()

    def tell(fate: Fate) -> None:
        loop.call_soon_threadsafe(_resolve, told, fate)

    handoff.watch(message_id, tell)
    try:
        wait = 0.0 if receipt.repeat else LOOK_SECONDS
        while not (await asyncio.wait({told}, timeout=wait))[0]:
            rows = await store.read(lambda connection: messages.outcomes_of(connection, tenant, message_id))
            if rows:
                first = rows[0]
                return Fate(outcome=first.outcome, reason=first.reason, place=first.place, fix=first.fix)
            wait = LOOK_SECONDS
        return told.result()
    finally:
        handoff.unwatch(message_id)


def _resolve(waiting: asyncio.Future[Fate], fate: Fate) -> None:
    if not waiting.done():
        waiting.set_result(fate)
