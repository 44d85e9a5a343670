"""Asks a token to wrap and open keys: a few requests per start and per quarter of an hour.

A wrapped key is one byte that says the form, the nonce of AES-GCM, and what the token made of the key. Signing in
belongs to the whole process and not to one session (PKCS#11 2.40, 2.4), so there is one session at a time.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from pydantic import BaseModel

from gateway.errors import IntegrityViolated, InvalidConfiguration, KeysUnavailable, PluginFailed
from gateway.secret import resolve_secret
from gateway_keys_pkcs11.config import Pkcs11KeyConfig

FORM = b"\x01"
NONCE = 12
BITS = 256
SOFTWARE = "SoftHSM"
_one_at_a_time = threading.Lock()


class Pkcs11Keys:
    """The key provider ``pkcs11``."""

    name = "pkcs11"
    config: type[BaseModel] = Pkcs11KeyConfig

    def __init__(self) -> None:
        self._wrong: set[bytes] = set()

    def wrap(self, config: BaseModel, key: bytes, context: bytes) -> bytes:
        """Have the token encrypt a key, bound to ``context``."""
        nonce = os.urandom(NONCE)
        made = self._ask(_own(config), lambda root, how: root.encrypt(key, **how(nonce, context)))
        return FORM + nonce + bytes(made)

    def unwrap(self, config: BaseModel, wrapped: bytes, context: bytes) -> bytes:
        """The reverse; ``IntegrityViolated`` when the key of this name did not wrap it for this context."""
        own = _own(config)
        nonce, sealed = wrapped[1 : 1 + NONCE], wrapped[1 + NONCE :]
        if wrapped[:1] != FORM or len(nonce) < NONCE or not sealed:
            raise _another_root(own)
        try:
            return bytes(self._ask(own, lambda root, how: root.decrypt(sealed, **how(nonce, context))))
        except KeysUnavailable:
            # Makers tell a tag that does not fit by different codes, and some by the code for "anything went wrong".
            # A token that opens what it has wrapped just now is well: then it is the wrapped key that does not fit.
            self._probe(own)
            raise _another_root(own) from None

    def create(self, config: BaseModel) -> None:
        """Have the token make the key, unless it has one of this name."""
        own = _own(config)
        with self._session(own, writing=True) as session:
            if _keys(session, own):
                _usable(session, own)
            else:
                _generate(session, own)
        self._probe(own)

    def weaknesses(self, config: BaseModel, data: Sequence[str]) -> Sequence[str]:
        """A token that is a program keeps its keys in files; a library that others may write is theirs."""
        del data
        own, reasons = _own(config), []
        if own.module.exists() and own.module.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            reasons.append(f"Others may write {own.module}, which is given the PIN.")
        with suppress(KeysUnavailable), _told(own):
            if SOFTWARE in str(_library(own).manufacturer_id):
                reasons.append("The token is a program: its keys lie in files, perhaps beside the data.")
        return reasons

    def _ask(self, own: Pkcs11KeyConfig, question: Callable[[Any, Any], Any]) -> Any:  # bytes-like, by the library
        with self._session(own) as session:
            return question(_usable(session, own), _gcm)

    def _probe(self, own: Pkcs11KeyConfig) -> None:
        nonce, probe = os.urandom(NONCE), bytes(32)

        def there_and_back(root: Any, how: Any) -> Any:
            return root.decrypt(root.encrypt(probe, **how(nonce, b"probe")), **how(nonce, b"probe"))

        if bytes(self._ask(own, there_and_back)) != probe:
            raise KeysUnavailable("The token does not open what it wraps", where="keys.config.key")

    @contextmanager
    def _session(self, own: Pkcs11KeyConfig, *, writing: bool = False) -> Iterator[Any]:
        """Signed in to the token; its refusals and silences as our errors, without anything that was sent."""
        pin = resolve_secret(own.pin)
        tried = hashlib.sha256(f"{own.module}\0{own.token}\0{own.serial}\0{pin}".encode()).digest()
        with _one_at_a_time, _told(own):
            from pkcs11 import PinIncorrect

            if tried in self._wrong:
                raise _wrong_pin()
            token = _library(own).get_token(
                token_label=own.token, **({"token_serial": own.serial.encode()} if own.serial else {})
            )
            try:
                session = token.open(rw=writing, user_pin=pin)
            except PinIncorrect:
                self._wrong.add(tried)
                raise _wrong_pin() from None
            with session:
                yield session


@contextmanager
def _told(own: Pkcs11KeyConfig) -> Iterator[None]:
    try:
        from pkcs11 import MultipleTokensReturned, NoSuchToken, PKCS11Error
    except ImportError:
        raise PluginFailed(
            "The key provider pkcs11 needs python-pkcs11", where="keys.provider",
            fix="Install the gateway with the extra pkcs11.",
        ) from None  # fmt: skip
    try:
        yield
    except NoSuchToken:
        raise KeysUnavailable(
            "There is no token of this label", where="keys.config.token", fix="See that it is plugged in and running."
        ) from None
    except MultipleTokensReturned:
        raise InvalidConfiguration(
            "Several tokens have this label", where="keys.config.token", fix="Name its serial number in `serial`."
        ) from None
    except PKCS11Error as error:
        if not own.module.exists():
            raise InvalidConfiguration(
                "There is no such PKCS#11 library", where="keys.config.module", fix="Install the token maker's library."
            ) from None
        raise KeysUnavailable(
            f"The token gives no answer: {type(error).__name__}", where="keys.config",
            fix="See that it is running, and that its library is the one of `module`.",
        ) from None  # fmt: skip


def _library(own: Pkcs11KeyConfig) -> Any:
    import pkcs11  # a maker's library is loaded when somebody needs it, never on import

    return pkcs11.lib(str(own.module))


def _gcm(nonce: bytes, context: bytes) -> dict[str, Any]:
    from pkcs11 import GCMParams, Mechanism

    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, context, 128)}


def _keys(session: Any, own: Pkcs11KeyConfig) -> list[Any]:
    from pkcs11 import Attribute, ObjectClass

    return list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: own.key}))


def _usable(session: Any, own: Pkcs11KeyConfig) -> Any:
    """The one key of this name, if the token alone has it."""
    from pkcs11 import Attribute

    found = _keys(session, own)
    if not found:
        raise InvalidConfiguration(
            "The token has no key of this name", where="keys.config.key",
            fix="Run gateway init, or name the key that was used when the keystore was made.",
        )  # fmt: skip
    if len(found) > 1:
        raise InvalidConfiguration(
            "The token has several keys of this name", where="keys.config.key", fix="Remove the one that is not ours."
        )
    if found[0][Attribute.EXTRACTABLE] or not found[0][Attribute.SENSITIVE]:
        raise InvalidConfiguration(
            "The token would give this key away", where="keys.config.key",
            fix="Name another, which gateway init makes so that it stays inside.",
        )  # fmt: skip
    return found[0]


def _generate(session: Any, own: Pkcs11KeyConfig) -> None:
    from pkcs11 import Attribute, KeyType, MechanismFlag

    session.generate_key(
        KeyType.AES, BITS, label=own.key, store=True, capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
        template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
    )  # fmt: skip


def _own(config: BaseModel) -> Pkcs11KeyConfig:
    if not isinstance(config, Pkcs11KeyConfig):
        raise InvalidConfiguration("These are not the PKCS#11 key provider's settings", where="keys.config")
    return config


def _another_root(own: Pkcs11KeyConfig) -> IntegrityViolated:
    return IntegrityViolated(
        f"The root does not open this keystore: the token's key {own.key} did not wrap it", where="keys.config.key",
        fix="Name token and key that were used when the keystore was made.",
    )  # fmt: skip


def _wrong_pin() -> KeysUnavailable:
    return KeysUnavailable(
        "The token refuses the PIN; it is not tried again, since a few wrong ones lock the token",
        where="keys.config.pin", fix="Put the right PIN in the place that `pin` names.",
    )  # fmt: skip
