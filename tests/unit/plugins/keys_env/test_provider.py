"""The environment key provider: it works, binds to contexts, and production never takes it."""

from __future__ import annotations

import pytest

from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway_keys_env.config import EnvKeyConfig
from gateway_keys_env.plugin import gateway_key_providers
from gateway_keys_env.provider import EnvKeys

KEY = bytes(range(32))
CONFIG = EnvKeyConfig()


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_ROOT_KEY", "ab" * 32)


def test_a_wrapped_key_opens_in_its_context_only() -> None:
    """Wrap and unwrap are each other's reverse; another context and a changed byte are refused."""
    (provider,) = gateway_key_providers()
    provider.create(CONFIG)
    wrapped = provider.wrap(CONFIG, KEY, b"one")
    assert provider.unwrap(CONFIG, wrapped, b"one") == KEY
    for bad, context in ((wrapped, b"two"), (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), b"one"), (b"short", b"one")):
        with pytest.raises(IntegrityViolated):
            provider.unwrap(CONFIG, bad, context)


@pytest.mark.parametrize("value", ["", "zz" * 32, "ab" * 31])
def test_a_variable_that_is_no_key_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The error names the variable and never its value."""
    monkeypatch.setenv("GATEWAY_ROOT_KEY", value)
    with pytest.raises(InvalidConfiguration, match="GATEWAY_ROOT_KEY") as error:
        EnvKeys().create(CONFIG)
    assert not value or value not in str(error.value)


def test_production_refuses_it() -> None:
    """There is always a weakness to tell."""
    assert EnvKeys().weaknesses(CONFIG, [])
