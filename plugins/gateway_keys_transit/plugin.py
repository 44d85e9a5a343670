"""Offers the transit key provider."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.hookspecs import KeyProvider, hookimpl
from gateway_keys_transit.provider import TransitKeys


@hookimpl
def gateway_key_providers() -> Sequence[KeyProvider]:
    """The provider ``transit``."""
    return [TransitKeys()]
