"""Offers the file key provider."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.hookspecs import KeyProvider, hookimpl
from gateway_keys_file.provider import FileKeys


@hookimpl
def gateway_key_providers() -> Sequence[KeyProvider]:
    """The provider ``file``."""
    return [FileKeys()]
