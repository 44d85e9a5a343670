"""The only module that encrypts and decrypts: AES-256-GCM with random 96-bit nonces, AES-SIV for cursors.

Strategy. A *box* holds a value under a data key made for it alone; a *wrap* holds a 32-byte key under another key. Both
are bound to associated data, and a label keeps a box from ever passing as a wrap. Boxes begin with the version of the
format and the algorithm, so a later format can stand beside this one.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

from gateway.errors import IntegrityViolated
from gateway.vault.place import FORMAT

KEY = 32
NONCE = 12
TAG = 16
WRAPPED = NONCE + KEY + TAG
AES_256_GCM = 1
_HEADER = bytes([FORMAT, AES_256_GCM])
_FRESH = KEY + 2 * NONCE
_BLOCK = 64
"""Bytes that SHA-256 takes at a time."""
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


def new_key() -> bytes:
    """32 bytes from the operating system's generator."""
    return os.urandom(KEY)


def derive(secret: bytes, purpose: str) -> bytes:
    """A key for one purpose (HKDF-Expand of RFC 5869, SHA-256, one block); ``secret`` is uniformly random."""
    return hmac.digest(secret, b"emr-gateway/1/" + purpose.encode() + b"\x01", "sha256")


class Mac:
    """HMAC-SHA-256 under one key of at most a block, by RFC 2104.

    What both hashes make of the key is kept, as its section 4 proposes: the library's own function sets up everything
    anew and lets go of the interpreter each time, which takes longer than the hashing of a short value.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def digest(self, data: bytes) -> bytes:
        """32 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()


class Wrapper:
    """A key that wraps other keys; its material stays inside the encryption library."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def wrap(self, key: bytes, aad: bytes) -> bytes:
        """``nonce | ciphertext and tag`` of a key."""
        nonce = os.urandom(NONCE)
        return nonce + self._aead.encrypt(nonce, key, b"wrap" + aad)

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """The key again; ``IntegrityViolated`` when it was not wrapped by this key for this place."""
        if len(wrapped) != WRAPPED:
            raise IntegrityViolated(f"A wrapped key has {len(wrapped)} bytes instead of {WRAPPED}")
        try:
            return self._aead.decrypt(wrapped[:NONCE], wrapped[NONCE:], b"wrap" + aad)
        except InvalidTag:
            raise IntegrityViolated(
                "A wrapped key was changed, moved from its place or belongs to another key"
            ) from None

    def seal(self, plaintext: bytes, box_aad: bytes, wrap_aad: bytes) -> tuple[bytes, bytes]:
        """(wrapped data key, box) of a value under a fresh data key."""
        fresh = os.urandom(_FRESH)
        key, nonce, wrap_nonce = fresh[:KEY], fresh[KEY:-NONCE], fresh[-NONCE:]
        box = _HEADER + nonce + AESGCM(key).encrypt(nonce, plaintext, _HEADER + box_aad)
        return wrap_nonce + self._aead.encrypt(wrap_nonce, key, b"wrap" + wrap_aad), box

    def open(self, wrapped: bytes, box: bytes, box_aad: bytes, wrap_aad: bytes) -> bytes:
        """The value again; ``IntegrityViolated`` when box, wrap or place is not what it was."""
        if box[:2] != _HEADER:
            raise IntegrityViolated("A sealed value has a format or an algorithm that this version does not know")
        key = self.unwrap(wrapped, wrap_aad)
        try:
            return AESGCM(key).decrypt(box[2 : 2 + NONCE], box[2 + NONCE :], _HEADER + box_aad)
        except (InvalidTag, ValueError):  # ValueError: shorter than nonce and tag
            raise IntegrityViolated("A sealed value was changed or moved from its place") from None


class Opaque:
    """Hands short values to a client that must not read them and hands back only what was given out.

    AES-SIV (RFC 5297) needs no nonce: equal values look equal, and nothing else shows.
    """

    __slots__ = ("_siv",)

    def __init__(self, key: bytes) -> None:
        self._siv = AESSIV(key)

    def hide(self, value: bytes, aad: bytes) -> bytes:
        """A value that is not empty, bound to what it is for."""
        return self._siv.encrypt(value, [aad])

    def show(self, hidden: bytes, aad: bytes) -> bytes | None:
        """The value again; None when it was not hidden with this key for this."""
        try:
            return self._siv.decrypt(hidden, [aad])
        except (InvalidTag, ValueError):
            return None
