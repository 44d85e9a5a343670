"""The keys of a gateway: opened as its settings say, tended while it serves, shredded when asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from gateway.errors import RetryLater
from gateway.vault import Keystore

if TYPE_CHECKING:
    from gateway.configured import Configured
    from gateway.flow.shred import Shredder
    from gateway.registry import Registry
    from gateway.settings import Settings

TEND_SECONDS = 1.0
"""How soon a serving process hears that a patient was shredded, or a key rotated, by another one."""
END_SECONDS = 3600.0

log = structlog.get_logger(__name__)


def open_keystore(settings: Settings, registry: Registry, configured: Configured, *, create: bool) -> Keystore:
    """The keystore under its key provider, and under the one before while keys still hang on that.

    Args:
        settings: the whole of ``gateway.toml``.
        registry: the loaded plugins.
        configured: the validated settings of the providers.
        create: make root key and keystore where none are yet.
    """
    keys = settings.keys
    provider = registry.key_providers[keys.provider]
    if create:
        warn(settings, registry, configured)
        keys.keystore.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        provider.create(configured.keys)
        Keystore.create(keys.keystore, provider, configured.keys).close()
    previous = None
    if keys.previous is not None and configured.previous_keys is not None:
        previous = (registry.key_providers[keys.previous.provider], configured.previous_keys)
    return Keystore(keys.keystore, provider, configured.keys, previous=previous, cache_seconds=keys.cache_seconds)


def warn(settings: Settings, registry: Registry, configured: Configured) -> None:
    """Log what is weak about where the root key is: to be told when it is made and at each start, not at each look."""
    for reason in registry.key_providers[settings.keys.provider].weaknesses(configured.keys, settings.data_folders()):
        log.warning("weak-setting", reason=reason)


async def tend_keys(keystore: Keystore, shredder: Shredder, tenants: Sequence[str]) -> None:
    """Hear of what other processes did to keys, and destroy those that nothing needs any more, until cancelled."""
    ended_at = float("-inf")
    while True:
        try:
            await asyncio.to_thread(keystore.refresh)
            if time.monotonic() - ended_at > END_SECONDS:
                ended_at = time.monotonic()
                for tenant in tenants:
                    await asyncio.to_thread(shredder.end_intake_keys, tenant)
        except RetryLater as error:
            log.warning("keys-not-tended", error=error.code)
        await asyncio.sleep(TEND_SECONDS)
