"""Wiring: offers the reactor to the gateway."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.hookspecs import Reactor, hookimpl
from gateway_followup.reactor import FollowUps


@hookimpl
def gateway_reactors() -> Sequence[Reactor]:
    """The reactor ``followup``."""
    return (FollowUps(),)
