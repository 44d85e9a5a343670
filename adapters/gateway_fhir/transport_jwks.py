"""Our public keys at ``/hooks/<source>/jwks.json``, where a server that knows us by a JWKS address fetches them.

The set holds the key that signs and the further ones that are published beside it, so that a new key is known before
it signs and an old one until its last assertion is over. Keys are read anew at most once a minute: nobody who asks
often makes us read often, and a key file that was replaced is published without a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.model.exchange import HookRequest, HookResponse, Intake
from gateway.settings import resolve_secret
from gateway.transport.smart import SigningKey, signing_key
from gateway_fhir.config import FhirConfig

PATH = "jwks.json"
_KEEP = 60.0
"""Seconds a set stays as it is."""


class PublishedKeys:
    """Answers whoever asks for our keys; they are public."""

    def __init__(self, config: FhirConfig, now: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._now = now
        self._made = self._body()  # an unusable key is told at the start, not to the first server that asks
        self._at = now()

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """The JWK set; 405 for what is no question."""
        del intake  # asking for keys stores nothing
        if request.method not in ("GET", "HEAD"):
            return HookResponse(status=405)
        if self._now() - self._at >= _KEEP:
            self._made, self._at = self._body(), self._now()
        return HookResponse(status=200, body=self._made, content_type="application/json")

    def _body(self) -> bytes:
        return msgspec.json.encode(published_keys(self._config))


def published_keys(config: FhirConfig) -> dict[str, Any]:
    """The JWK set of the key that signs and of the further ones, each once; raises ``InvalidConfiguration``."""
    own = signing_key(config)
    further = [SigningKey(resolve_secret(one), None) for one in config.further_keys]
    others = {one.key_id: one for one in further if one.thumbprint != own.thumbprint}
    return {"keys": [jwk for one in (own, *others.values()) for jwk in one.jwks()["keys"]]}
