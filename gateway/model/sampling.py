"""What a sink offers as well when it can show beforehand what a subscription will be sent."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from gateway.model.exchange import Delivery


@runtime_checkable
class Sampling(Protocol):
    """Beside ``gateway.hookspecs.Subscribable``: the core asks whether a sink has it."""

    def sample(self, delivery: Delivery, content: str) -> bytes:
        """The body of the request for a delivery, as JSON; ``content`` is that of its ``Target``."""
