"""The transit key provider against a Vault that speaks over a socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from gateway.errors import IntegrityViolated, KeysUnavailable
from gateway_keys_transit.config import TransitKeyConfig
from gateway_keys_transit.plugin import gateway_key_providers
from gateway_keys_transit.provider import TransitKeys
from gateway_keys_transit.simulator import TOKEN, SimulatedTransit

KEY = bytes(range(32))


@pytest.fixture
def transit() -> Iterator[SimulatedTransit]:
    """A Vault with the key made."""
    simulated = SimulatedTransit()
    simulated.start()
    yield simulated
    simulated.close()


@pytest.fixture
def config(transit: SimulatedTransit, monkeypatch: pytest.MonkeyPatch) -> TransitKeyConfig:
    """Settings for it."""
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    made = TransitKeyConfig.model_validate({"url": transit.url, "token": "env:VAULT_TOKEN"})
    TransitKeys().create(made)
    return made


def test_a_wrapped_key_opens_in_its_context_only(config: TransitKeyConfig) -> None:
    """Wrap and unwrap are each other's reverse; another context and changed bytes are refused."""
    (provider,) = gateway_key_providers()
    wrapped = provider.wrap(config, KEY, b"one")
    assert wrapped.startswith(b"vault:v1:")
    assert provider.unwrap(config, wrapped, b"one") == KEY
    for bad, context in ((wrapped, b"two"), (wrapped[:-6] + b"AAAAA=", b"one"), (b"\xff\x00", b"one"), (b"x", b"one")):
        with pytest.raises(IntegrityViolated):
            provider.unwrap(config, bad, context)


def test_older_versions_open_after_rotation(config: TransitKeyConfig, transit: SimulatedTransit) -> None:
    """What the version before wrapped opens, and what is wrapped anew hangs on the newer one."""
    before = TransitKeys().wrap(config, KEY, b"")
    assert transit.answer("/v1/transit/keys/emr-gateway/rotate", TOKEN, {})[0] == 204
    TransitKeys().create(config)
    assert TransitKeys().unwrap(config, before, b"") == KEY
    assert TransitKeys().wrap(config, KEY, b"").startswith(b"vault:v2:")


def test_silence_and_refusal_are_told_without_values(config: TransitKeyConfig, transit: SimulatedTransit) -> None:
    """A sealed, forbidding or absent Vault means: later; the error shows neither token nor key."""
    wrapped = TransitKeys().wrap(config, KEY, b"")
    for name in ("sealed", "refusing"):
        setattr(transit, name, True)
        with pytest.raises(KeysUnavailable) as error:
            TransitKeys().unwrap(config, wrapped, b"")
        assert TOKEN not in str(error.value)
        assert error.value.__cause__ is None
        setattr(transit, name, False)
    transit.close()
    with pytest.raises(KeysUnavailable):
        TransitKeys().unwrap(config, wrapped, b"")


@pytest.mark.parametrize("url", ["http://vault.example.org", "https://user:pw@vault.example.org", "ftp://127.0.0.1"])
def test_unsafe_addresses_are_refused(url: str) -> None:
    """Off this machine only TLS will do, and no credentials in the address."""
    with pytest.raises(ValidationError):
        TransitKeyConfig.model_validate({"url": url, "token": "env:VAULT_TOKEN"})


def test_weaknesses(config: TransitKeyConfig) -> None:
    """A Vault on this machine without TLS is told; one elsewhere is fine."""
    assert TransitKeys().weaknesses(config, [])
    assert not TransitKeys().weaknesses(config.model_copy(update={"url": "https://vault.example.org"}), [])
