"""Heads in object storage, against an S3 server that keeps object lock: what is kept cannot be taken away or hidden."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import Signer
from gateway.errors import IntegrityViolated, InvalidConfiguration, RetryLater
from gateway.model.exchange import SignedHead
from gateway_witness_s3.config import S3WitnessConfig
from gateway_witness_s3.plugin import gateway_witnesses
from gateway_witness_s3.witness import LockedBucket

boto3 = pytest.importorskip("boto3", reason="the extra aws is not installed")
moto_server = pytest.importorskip("moto.server", reason="moto, an S3 server, is not installed")
from botocore.exceptions import ClientError  # noqa: E402 - only when boto3 is there

SIGNER = Signer("clinic", Ed25519PrivateKey.generate())
_numbers = itertools.count(1)


def head(size: int, root: bytes = bytes(32), signer: Signer = SIGNER) -> SignedHead:
    """A signed head."""
    return SignedHead(origin=signer.origin, size=size, note=signer.sign(size, root).note, prove=lambda old: ())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 server on this machine; gives its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIASIMULATED")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        running = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        running.start()
        host, port = running.get_host_and_port()
        yield f"http://{host}:{port}"
        running.stop()


@cache
def client(server: str) -> Any:
    """Somebody else with all rights on the bucket."""
    return boto3.session.Session().client("s3", region_name="us-east-1", endpoint_url=server)


@pytest.fixture
def config(server: str) -> S3WitnessConfig:
    """A bucket of this test's own, made with object lock."""
    bucket = f"heads-{next(_numbers)}"
    client(server).create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    return S3WitnessConfig(bucket=bucket, prefix="north/", region="us-east-1", endpoint=server)


def keep(config: S3WitnessConfig, *heads: SignedHead) -> list[str]:
    """Tell a witness that was set up anew, and ask it."""
    (kind,) = gateway_witnesses()

    async def main() -> list[str]:
        witness = kind.open("locked", config)
        for one in heads:
            await witness.keep(one)
        return list(await witness.heads(SIGNER.origin))

    return asyncio.run(main())


def test_heads_are_kept_and_asked_back_in_order(config: S3WitnessConfig) -> None:
    """Every head comes back whole, oldest first; one told twice is one, and another log's are not among them."""
    other = Signer("other", Ed25519PrivateKey.generate())
    assert keep(config) == []
    keep(config, head(9), head(10, b"r" * 32), head(10, b"r" * 32), head(3, signer=other))
    assert keep(config, head(10, b"r" * 32), head(1200)) == [head(9).note, head(10, b"r" * 32).note, head(1200).note]


def test_what_is_kept_cannot_be_deleted_or_hidden(config: S3WitnessConfig, server: str) -> None:
    """No version can be deleted, by nobody; a delete marker and another content on top hide nothing."""
    keep(config, head(7), head(8))
    s3 = client(server)
    versions = s3.list_object_versions(Bucket=config.bucket)["Versions"]
    assert len(versions) == 2
    for version in versions:
        there = {"Bucket": config.bucket, "Key": version["Key"]}
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(**there, VersionId=version["VersionId"], BypassGovernanceRetention=True)
        s3.put_object(**there, Body=b"")
        s3.delete_object(**there)
    assert "Contents" not in s3.list_objects_v2(Bucket=config.bucket)
    assert set(keep(config)) == {head(7).note, head(8).note}


def test_a_shorter_log_and_a_fork_are_refused(config: S3WitnessConfig) -> None:
    """A gateway that starts anew is told that the bucket has seen more, or another log of this size."""
    keep(config, head(40))
    for rewritten in (head(39), head(40, b"x" * 32)):
        with pytest.raises(IntegrityViolated, match="40 entries"):
            keep(config, rewritten)
    assert keep(config) == [head(40).note]


def test_a_bucket_without_lock_keeps_nothing(config: S3WitnessConfig, server: str) -> None:
    """What could be deleted again does not count as kept."""
    client(server).create_bucket(Bucket="unlocked")
    with pytest.raises(InvalidConfiguration, match="does not lock"):
        keep(config.model_copy(update={"bucket": "unlocked"}), head(1))


def test_a_lock_that_is_too_short_does_not_count(config: S3WitnessConfig, server: str) -> None:
    """An object that was put there first under a short lock is found out."""
    keep(config.model_copy(update={"retain_days": 30}), head(5))
    witness = LockedBucket("locked", config)
    witness._kept[SIGNER.origin] = (0, "")  # as if the bucket had been read before somebody else wrote
    with pytest.raises(InvalidConfiguration, match="does not lock"):
        asyncio.run(witness.keep(head(5)))


def test_strange_objects_are_told(config: S3WitnessConfig, server: str) -> None:
    """Something else under the heads' names is named, without its name."""
    client(server).put_object(
        Bucket=config.bucket, Key=f"north/{SIGNER.origin}/secret", Body=b"", ChecksumAlgorithm="SHA256"
    )
    with pytest.raises(IntegrityViolated, match="no head") as error:
        keep(config)
    assert "secret" not in str(error.value)


def test_a_bucket_that_is_away_means_later(config: S3WitnessConfig) -> None:
    """A bucket that is not there and a server that does not answer are told by code, and nothing else."""
    with pytest.raises(RetryLater, match="NoSuchBucket"):
        keep(config.model_copy(update={"bucket": "gone"}), head(1))
    with pytest.raises(RetryLater, match="no answer") as error:
        keep(config.model_copy(update={"endpoint": "http://127.0.0.1:9", "timeout": 1.0}), head(1))
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    "bad", [{"endpoint": "http://storage.example"}, {"bucket": "../x"}, {"prefix": "/x"}, {"retain_days": 1}]
)
def test_unsafe_settings_are_refused(bad: dict[str, object]) -> None:
    """No plain http off this machine, no strange names, no lock that is over in days."""
    with pytest.raises(ValueError, match="validation error"):
        S3WitnessConfig.model_validate({"bucket": "heads", "region": "us-east-1"} | bad)
