"""What the settings of a clinic refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway_jane.config import JaneConfig


@pytest.mark.parametrize(
    "settings",
    [
        {"clinic": "http://north.janeapp.com"},
        {"clinic": "https://north.janeapp.com/admin"},
        {"clinic": "https://me@north.janeapp.com"},
        {"client_secret": "in-clear"},
        {"realm": "../x"},
        {"redirect_port": 80},
        {"poll_seconds": 1800},
        {"per_page": 1001},
        {"requests_per_minute": 101},
        {"webhook_digest": "md5"},
        {"changed_since": "2026-01-01T00:00:00"},
        {"unknown": 1},
    ],
)
def test_unsafe_or_meaningless_settings_are_refused(settings: dict) -> None:
    """Plain http, addresses with more behind them, a secret in clear and a pace that loses the consent stop early."""
    with pytest.raises(ValidationError):
        JaneConfig(**settings)


def test_the_defaults_ask_nobody() -> None:
    """Without a clinic nothing is polled, and webhooks are off."""
    plain = JaneConfig()
    assert (plain.clinic, plain.client_id, plain.webhooks) == (None, None, False)
    assert plain.requests_per_minute < 100
