"""Offers the environment key provider."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.hookspecs import KeyProvider, hookimpl
from gateway_keys_env.provider import EnvKeys


@hookimpl
def gateway_key_providers() -> Sequence[KeyProvider]:
    """The provider ``env``."""
    return [EnvKeys()]
