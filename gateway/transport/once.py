"""Once: what a sink of messages sent lately, so that a newer version of the same record is no second message."""

from __future__ import annotations

from collections import OrderedDict

from gateway.model.exchange import Delivered, Delivery

REMEMBERED = 10_000
"""Records."""


class Once:
    """The memory of one route's sink; it ends with the process."""

    def __init__(self) -> None:
        self._sent: OrderedDict[str, Delivered] = OrderedDict()

    def known(self, delivery: Delivery) -> Delivered | None:
        """The outcome of an earlier version, when one was sent."""
        return self._sent.get(delivery.record_id)

    def note(self, delivery: Delivery, sent: Delivered) -> Delivered:
        """Remember what was sent, without what came back; gives it on."""
        self._sent[delivery.record_id] = Delivered(f"already: {sent.receipt}")
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
        return sent
