"""Asks KMS to wrap and open keys: a few requests per start and per quarter of an hour."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from gateway.errors import IntegrityViolated, InvalidConfiguration, KeysUnavailable
from gateway_keys_aws.config import AwsKeyConfig

MISMATCH = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
"""KMS error codes that say: not wrapped by this key for this context."""


class AwsKeys:
    """The key provider ``aws``."""

    name = "aws"
    config: type[BaseModel] = AwsKeyConfig

    def wrap(self, config: BaseModel, key: bytes, context: bytes) -> bytes:
        """Have KMS encrypt a key, bound to ``context``."""
        answer = _ask(config, "encrypt", Plaintext=key, EncryptionContext=_bound(context))
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, config: BaseModel, wrapped: bytes, context: bytes) -> bytes:
        """The reverse; ``IntegrityViolated`` when KMS says that this key did not wrap it for this context."""
        answer = _ask(config, "decrypt", CiphertextBlob=wrapped, EncryptionContext=_bound(context))
        return bytes(answer["Plaintext"])

    def create(self, config: BaseModel) -> None:
        """See that the key can be used; it is made in AWS, with the policy of the clinic's account."""
        probe = self.wrap(config, bytes(32), b"probe")
        self.unwrap(config, probe, b"probe")

    def weaknesses(self, config: BaseModel, data: Sequence[str]) -> Sequence[str]:
        """A stand-in on this machine is no KMS."""
        del data
        endpoint = _own(config).endpoint
        return ["KMS is a stand-in on this machine."] if endpoint is not None and endpoint.startswith("http:") else []


def _ask(config: BaseModel, action: str, **parameters: Any) -> Any:  # boto3 has no types
    """One request; KMS's refusals and silences as our errors, without anything that was sent."""
    import boto3  # it opens a socket as it is imported, which must not happen before somebody needs it
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    own = _own(config)
    try:
        client = boto3.session.Session().client(
            "kms", region_name=own.region, endpoint_url=own.endpoint,
            config=Config(
                connect_timeout=own.timeout, read_timeout=own.timeout,
                retries={"total_max_attempts": 2, "mode": "standard"},
            ),
        )  # fmt: skip
        return getattr(client, action)(KeyId=own.key_id, **parameters)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in MISMATCH:
            raise IntegrityViolated(
                "The root does not open this keystore: KMS refuses the wrapped key", where="keys.config.key_id",
                fix="Name the KMS key that was used when the keystore was made.",
            ) from None  # fmt: skip
        raise KeysUnavailable(
            f"KMS refuses: {code}", where="keys.config.key_id",
            fix="See that the key is enabled and that this machine's role may use it.",
        ) from None  # fmt: skip
    except BotoCoreError as error:
        raise KeysUnavailable(
            f"KMS gives no answer: {type(error).__name__}", where="keys.config", fix="See that it can be reached."
        ) from None


def _bound(context: bytes) -> dict[str, str]:
    """The encryption context: it stands in CloudTrail, so a digest and not the context itself."""
    return {"emr-gateway": hashlib.sha256(context).hexdigest()}


def _own(config: BaseModel) -> AwsKeyConfig:
    if not isinstance(config, AwsKeyConfig):
        raise InvalidConfiguration("These are not the KMS key provider's settings", where="keys.config")
    return config
