"""Asks Vault's transit engine to wrap and open keys: a few requests per start and per quarter of an hour."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from gateway.errors import IntegrityViolated, InvalidConfiguration, KeysUnavailable
from gateway.secret import resolve_secret
from gateway_keys_transit.config import TransitKeyConfig

KIND = "aes256-gcm96"


class TransitKeys:
    """The key provider ``transit``."""

    name = "transit"
    config: type[BaseModel] = TransitKeyConfig

    def wrap(self, config: BaseModel, key: bytes, context: bytes) -> bytes:
        """Have Vault encrypt a key by the newest version of its root, bound to ``context``."""
        answer = _ask(
            config, lambda transit, c: transit.encrypt_data(
                name=c.key, plaintext=_text(key), context=_text(context), associated_data=_text(context),
                mount_point=c.mount,
            ),
        )  # fmt: skip
        return _field(answer, "ciphertext").encode()

    def unwrap(self, config: BaseModel, wrapped: bytes, context: bytes) -> bytes:
        """The reverse; ``IntegrityViolated`` when Vault says that it never wrapped this for this context."""
        try:
            ciphertext = wrapped.decode("ascii")
        except UnicodeDecodeError:
            raise IntegrityViolated("The root does not open this keystore: Vault did not wrap it") from None
        answer = _ask(
            config, lambda transit, c: transit.decrypt_data(
                name=c.key, ciphertext=ciphertext, context=_text(context), associated_data=_text(context),
                mount_point=c.mount,
            ),
        )  # fmt: skip
        return base64.b64decode(_field(answer, "plaintext"))

    def create(self, config: BaseModel) -> None:
        """Make the transit key, unless it is there."""
        _ask(
            config,
            lambda transit, c: transit.create_key(
                name=c.key, derived=True, exportable=False, allow_plaintext_backup=False, key_type=KIND,
                mount_point=c.mount,
            ),
        )  # fmt: skip

    def weaknesses(self, config: BaseModel, data: Sequence[str]) -> Sequence[str]:
        """A Vault on this machine, reached without TLS, holds its key beside the data."""
        del data
        if _own(config).url.startswith("http://"):
            return ["Vault is on this machine and reached without TLS: its keys may lie beside the data."]
        return []


def _ask(config: BaseModel, question: Callable[[Any, TransitKeyConfig], Any]) -> Any:  # hvac has no types
    """One request; Vault's refusals and silences as our errors, without anything that was sent."""
    import hvac.exceptions  # it opens a socket as it is imported, which must not happen before somebody needs it
    import requests

    own = _own(config)
    client = hvac.Client(
        url=own.url, token=resolve_secret(own.token), namespace=own.namespace, timeout=own.timeout,
        verify=str(own.ca) if own.ca is not None else True, allow_redirects=False,
    )  # fmt: skip
    try:
        return question(client.secrets.transit, own)
    except hvac.exceptions.InvalidRequest:
        raise IntegrityViolated(
            "The root does not open this keystore: Vault refuses the wrapped key", where="keys.config.key",
            fix="Name the transit key that was used when the keystore was made.",
        ) from None  # fmt: skip
    except (hvac.exceptions.VaultError, requests.RequestException) as error:
        raise KeysUnavailable(
            f"Vault gives no answer: {type(error).__name__}", where="keys.config.url",
            fix="See that it is reachable and unsealed, and that the token may use the transit key.",
        ) from None  # fmt: skip
    finally:
        client.adapter.close()


def _field(answer: Any, name: str) -> str:
    try:
        return str(answer["data"][name])
    except (KeyError, TypeError):
        raise KeysUnavailable("Vault's answer is not that of the transit engine", where="keys.config.url") from None


def _own(config: BaseModel) -> TransitKeyConfig:
    if not isinstance(config, TransitKeyConfig):
        raise InvalidConfiguration("These are not the transit key provider's settings", where="keys.config")
    return config


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
