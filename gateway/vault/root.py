"""The root: the key provider that wraps tenants' keys, the one before it, and when they were last heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.errors import IntegrityViolated, KeysUnavailable

if TYPE_CHECKING:
    from pydantic import BaseModel

    from gateway.hookspecs import KeyProvider

CACHE_SECONDS = 900.0
"""How long a tenant's keys may be used to read after the key provider was last heard."""
ASK_AGAIN_SECONDS = 5.0
"""Pause between two questions to a provider that does not answer."""
Provided = tuple["KeyProvider", "BaseModel"]
"""A key provider with its settings."""


class Root:
    """Wraps and opens tenants' keys, and remembers for each tenant when that was last possible.

    Args:
        provider: the one in use.
        previous: the one before it, while keys still hang on that.
        cache_seconds: how long keys may be used to read after the provider was last heard.
        clock: monotonic seconds.
    """

    def __init__(
        self, provider: Provided, previous: Provided | None, cache_seconds: float, clock: Callable[[], float]
    ) -> None:
        self.provider = provider
        self._previous = previous
        self._cache_seconds = cache_seconds
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._asked: dict[str, float] = {}

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        """The wrapped form of a tenant's key."""
        provider, config = self.provider
        return provider.wrap(config, secret, context)

    def unwrap(self, tenant: str, wrapped: bytes, context: bytes) -> bytes:
        """A tenant's key, by the present root or the one before it."""
        secret = self.own(wrapped, context)
        if secret is None:
            if self._previous is None:
                raise IntegrityViolated(
                    "The root key does not open this keystore", where="keys",
                    fix="Restore the root key that was made with it, or name it under [keys.previous].",
                )  # fmt: skip
            provider, config = self._previous
            secret = provider.unwrap(config, wrapped, context)
        self._heard[tenant] = self._asked[tenant] = self._clock()
        return secret

    def own(self, wrapped: bytes, context: bytes) -> bytes | None:
        """A tenant's key as the present root opens it; None when it is wrapped by another one."""
        provider, config = self.provider
        try:
            return provider.unwrap(config, wrapped, context)
        except IntegrityViolated:
            return None

    def check_heard(self, tenant: str, ask: Callable[[str], bool]) -> None:
        """``KeysUnavailable`` when the provider was not heard for too long, and does not answer now either."""
        now = self._clock()
        if now - self._heard.get(tenant, now) <= self._cache_seconds:
            return
        if now - self._asked[tenant] < ASK_AGAIN_SECONDS or not self._ask(tenant, ask):
            raise KeysUnavailable("The key provider does not answer", where="keys", fix="See that it can be reached.")

    def renew(self, ask: Callable[[str], bool]) -> None:
        """Ask for every tenant whose keys have been cached for half their time."""
        now = self._clock()
        for tenant, heard in list(self._heard.items()):
            if now - heard > self._cache_seconds / 2 and now - self._asked[tenant] >= ASK_AGAIN_SECONDS:
                self._ask(tenant, ask)

    def _ask(self, tenant: str, ask: Callable[[str], bool]) -> bool:
        self._asked[tenant] = self._clock()
        return ask(tenant)
