"""Offers the KMS key provider."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.hookspecs import KeyProvider, hookimpl
from gateway_keys_aws.provider import AwsKeys


@hookimpl
def gateway_key_providers() -> Sequence[KeyProvider]:
    """The provider ``aws``."""
    return [AwsKeys()]
