"""Offers the PKCS#11 key provider."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.hookspecs import KeyProvider, hookimpl
from gateway_keys_pkcs11.provider import Pkcs11Keys


@hookimpl
def gateway_key_providers() -> Sequence[KeyProvider]:
    """The provider ``pkcs11``."""
    return [Pkcs11Keys()]
