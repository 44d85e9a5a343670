"""What the settings of an organisation refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway_spry.config import SpryConfig


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "http://provider.sprypt.com"},
        {"base_url": "https://provider.sprypt.com/apis"},
        {"base_url": "https://me@provider.sprypt.com"},
        {"client_id": "alone"},
        {"client_secret": "env:ALONE"},
        {"client_id": "x", "client_secret": "plain-text"},
        {"doctors": ["../1"]},
        {"page_size": 301},
        {"status_field": "a.b"},
        {"unknown": 1},
    ],
)
def test_unsafe_or_meaningless_settings_are_refused(settings: dict) -> None:
    """Plain http, addresses with more behind them, half a credential, a secret in clear and paths stop early."""
    with pytest.raises(ValidationError):
        SpryConfig(**settings)


def test_the_defaults_ask_nobody() -> None:
    """Without a client nothing is polled, and without a key no webhook is believed."""
    plain = SpryConfig()
    assert (plain.client_id, plain.webhook_key, plain.practice_id) == (None, None, "0")
