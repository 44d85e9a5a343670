"""The KMS key provider against a KMS that speaks over a socket."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from gateway.errors import IntegrityViolated, KeysUnavailable
from gateway_keys_aws.config import AwsKeyConfig
from gateway_keys_aws.plugin import gateway_key_providers
from gateway_keys_aws.provider import AwsKeys
from gateway_keys_aws.simulator import KEY_ID, REGION, SimulatedKms

KEY = bytes(range(32))


@pytest.fixture
def kms() -> Iterator[SimulatedKms]:
    """A KMS with one key."""
    simulated = SimulatedKms()
    simulated.start()
    yield simulated
    simulated.close()


@pytest.fixture
def config(kms: SimulatedKms, monkeypatch: pytest.MonkeyPatch) -> AwsKeyConfig:
    """Settings for it, with credentials that mean nothing elsewhere."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASIMULATED")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return AwsKeyConfig(key_id=KEY_ID, region=REGION, endpoint=kms.url)


def test_a_wrapped_key_opens_in_its_context_only(config: AwsKeyConfig) -> None:
    """Wrap and unwrap are each other's reverse; another context and changed bytes are refused."""
    (provider,) = gateway_key_providers()
    provider.create(config)
    wrapped = provider.wrap(config, KEY, b"one")
    assert provider.unwrap(config, wrapped, b"one") == KEY
    for bad, context in ((wrapped, b"two"), (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), b"one"), (b"short", b"one")):
        with pytest.raises(IntegrityViolated):
            provider.unwrap(config, bad, context)


def test_another_key_is_told(config: AwsKeyConfig, kms: SimulatedKms) -> None:
    """A key that did not wrap it opens nothing."""
    wrapped = AwsKeys().wrap(config, KEY, b"")
    kms.keys["other"] = (os.urandom(16), os.urandom(32))
    with pytest.raises(IntegrityViolated):
        AwsKeys().unwrap(config.model_copy(update={"key_id": "other"}), wrapped, b"")


def test_silence_and_refusal_mean_later(config: AwsKeyConfig, kms: SimulatedKms) -> None:
    """A disabled key, a forbidding role and a KMS that is gone are told by code, and nothing else."""
    wrapped = AwsKeys().wrap(config, KEY, b"")
    for code in ("DisabledException", "AccessDeniedException"):
        kms.fault = code
        with pytest.raises(KeysUnavailable, match=code) as error:
            AwsKeys().unwrap(config, wrapped, b"")
        assert error.value.__cause__ is None
    kms.close()
    with pytest.raises(KeysUnavailable):
        AwsKeys().unwrap(config, wrapped, b"")


def test_weaknesses(config: AwsKeyConfig) -> None:
    """A stand-in is told, the service is fine."""
    assert AwsKeys().weaknesses(config, [])
    assert not AwsKeys().weaknesses(config.model_copy(update={"endpoint": None}), [])
