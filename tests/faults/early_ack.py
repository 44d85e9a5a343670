"""A broken build that acknowledges before the commit: the fault tests must catch it, or they prove nothing."""

from __future__ import annotations

import asyncio

from gateway.cli import main
from gateway.flow.receive import Done, Receiver
from gateway.model.exchange import Item, Receipt

BEHIND = 0.3
"""Seconds by which the commit follows the acknowledgement: a slow disk, so that a kill falls in between."""
_store = Receiver.submit


def _acknowledge_first(self: Receiver, item: Item, done: Done) -> None:
    done(Receipt(0, repeat=False, conflict=False))
    asyncio.get_running_loop().call_later(BEHIND, _store, self, item, lambda _: None)


Receiver.submit = _acknowledge_first  # type: ignore[method-assign]  # breaking it is this file's purpose
main()
