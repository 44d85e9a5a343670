"""Wraps keys with a root key out of the environment, by AES key wrap with padding (RFC 5649).

Each context has a wrapping key of its own, derived from the root key: that binds a wrapped key to its context.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding, aes_key_wrap_with_padding
from pydantic import BaseModel

from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway_keys_env.config import EnvKeyConfig

ROOT = 32


class EnvKeys:
    """The key provider ``env``."""

    name = "env"
    config: type[BaseModel] = EnvKeyConfig

    def wrap(self, config: BaseModel, key: bytes, context: bytes) -> bytes:
        """Encrypt a key, bound to ``context``."""
        return aes_key_wrap_with_padding(_wrapping_key(config, context), key)

    def unwrap(self, config: BaseModel, wrapped: bytes, context: bytes) -> bytes:
        """The reverse; ``IntegrityViolated`` when the root key is another one or the wrapped key was changed."""
        try:
            return aes_key_unwrap_with_padding(_wrapping_key(config, context), wrapped)
        except InvalidUnwrap:
            raise IntegrityViolated(
                "The root key does not open this keystore", where="keys.config.variable",
                fix="Set the variable to the root key that was used when the keystore was made.",
            ) from None  # fmt: skip

    def create(self, config: BaseModel) -> None:
        """Nothing can be made in another process's environment: the variable must be set already."""
        _root(config)

    def weaknesses(self, config: BaseModel, data: Sequence[str]) -> Sequence[str]:
        """Always one: this is for development."""
        del config, data
        return ["The root key is in the environment, where crash reports and process lists show it: development only."]


def _wrapping_key(config: BaseModel, context: bytes) -> bytes:
    return HKDFExpand(SHA256(), ROOT, b"emr-gateway root/1/" + context).derive(_root(config))


def _root(config: BaseModel) -> bytes:
    if not isinstance(config, EnvKeyConfig):
        raise InvalidConfiguration("These are not the environment key provider's settings", where="keys.config")
    try:
        root = bytes.fromhex(os.environ.get(config.variable, ""))
    except ValueError:
        root = b""
    if len(root) != ROOT:
        raise InvalidConfiguration(
            "The variable with the root key is not set to 64 hexadecimal digits", where=config.variable,
            fix=f"export {config.variable}=$(openssl rand -hex {ROOT}), and keep it.",
        ) from None  # fmt: skip
    return root
