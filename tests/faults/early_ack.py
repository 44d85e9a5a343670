"""A broken build that acknowledges before the commit: the fault tests must catch it, or they prove nothing."""

from __future__ import annotations

from gateway.cli import main
from gateway.flow.receive import Done, Receiver
from gateway.model.exchange import Item, Receipt

_store = Receiver.submit


def _acknowledge_first(self: Receiver, item: Item, done: Done) -> None:
    done(Receipt(0, repeat=False, conflict=False))
    _store(self, item, lambda _: None)


Receiver.submit = _acknowledge_first  # type: ignore[method-assign]  # breaking it is this file's purpose
main()
