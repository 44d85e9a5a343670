"""What the settings of an account refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.errors import InvalidConfiguration
from tests.unit.adapters.cliniko.account import ADAPTER, config


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": "MS0xMjM0NTY3-au2"},
        {"base_url": "https://api.au2.cliniko.com"},
        {"base_url": "http://10.0.0.1:8080"},
        {"base_url": "http://127.0.0.1.evil.com"},
        {"base_url": "http://user@127.0.0.1:1"},
        {"contact_email": "nobody"},
        {"contact_email": "a@b.co\r\nX-Evil: 1"},
        {"app_name": "x\r\ny"},
        {"per_page": 101},
        {"requests_per_minute": 201},
        {"zones": {"1": "Mars/Olympus"}},
        {"changed_since": "2026-01-01T00:00:00"},
        {"unknown": 1},
    ],
)
def test_unsafe_or_meaningless_settings_are_refused(settings: dict) -> None:
    """A key in plain text, a host that is not loopback, header injection and impossible values stop early."""
    with pytest.raises(ValidationError):
        config(**settings)


def test_the_defaults_are_safe() -> None:
    """Key and contact are enough; the budget stays below what the vendor allows."""
    plain = config()
    assert plain.requests_per_minute < 200
    assert plain.base_url is None


@pytest.mark.parametrize("missing", ["api_key", "contact_email"])
def test_polling_needs_key_and_contact(missing: str) -> None:
    """Importing a saved page needs no account; polling without one is refused with what to set."""
    with pytest.raises(InvalidConfiguration, match=missing):
        ADAPTER.transports("north", config(**{missing: None}))
