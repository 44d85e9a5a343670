"""Wiring: offers the reactor to the gateway."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.hookspecs import Reactor, hookimpl
from gateway_duplicates.reactor import Duplicates


@hookimpl
def gateway_reactors() -> Sequence[Reactor]:
    """The reactor ``duplicates``."""
    return (Duplicates(),)
