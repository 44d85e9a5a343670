"""Normalizing in the process of a command, where no other process serves the folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TypeVar

from gateway.bootstrap import Gateway
from gateway.errors import InvalidConfiguration
from gateway.flow.normalize import Normalizer
from gateway.flow.react import settle
from gateway.store.locking import take_lock

PATIENCE_SECONDS = 5.0
"""How long a command looks on while the process that serves normalizes; what waits then still is told as waiting."""
LOOK_SECONDS = 0.1
T = TypeVar("T")


def own_normalizer(gateway: Gateway, held: ExitStack) -> Normalizer | None:
    """A normalizer for this command while ``held`` is open; None where another process serves, and normalizes."""
    with suppress(InvalidConfiguration):
        held.enter_context(take_lock(gateway.settings.data.directory))
        return gateway.normalizer(lambda _: None)
    return None


def normalize_all(gateway: Gateway, normalizer: Normalizer) -> None:
    """Normalize everything that waits."""
    for tenant in gateway.tenants:
        while normalizer.step(tenant) or not gateway.handoff.is_live(tenant):
            pass


def settle_all(gateway: Gateway, normalizer: Normalizer) -> None:
    """Normalize everything that waits, and let reactors derive what follows, until nothing is left to do."""
    derivers = gateway.derivers()
    while True:
        normalize_all(gateway, normalizer)
        if not settle(derivers):
            break


def once_settled(look: Callable[[], T], waits: Callable[[T], bool]) -> T:
    """What ``look`` finds once nothing of it waits for the process that serves, or patience is over."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while waits(found := look()) and time.monotonic() < ends:
        time.sleep(LOOK_SECONDS)
    return found
