"""A broken build that acknowledges before the commit: the fault tests must catch it, or they prove nothing."""

from __future__ import annotations

import asyncio
import itertools

from gateway.cli import main
from gateway.flow.receive import Done, Receiver
from gateway.model.exchange import Item, Receipt

BEHIND = itertools.cycle(step * 0.03 for step in range(1, 11))
"""Seconds by which commits follow acknowledgements: a slow disk, so that a kill falls in between.

They differ, so that there are several commits however fast the senders are: a kill at the sync of the only one would
lose nothing, since what is written survives the process.
"""
_store = Receiver.submit


def _acknowledge_first(self: Receiver, item: Item, done: Done) -> None:
    done(Receipt(0, repeat=False, conflict=False))
    asyncio.get_running_loop().call_later(next(BEHIND), _store, self, item, lambda _: None)


Receiver.submit = _acknowledge_first  # type: ignore[method-assign]  # breaking it is this file's purpose
main()
