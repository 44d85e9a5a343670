"""Keys and secrets of clients: made here, shown once, kept as a hash, and told from a typing mistake by a checksum.

``egw_<public>_<secret><checksum>``: the public part finds the row, the checksum refuses a mistyped or truncated key
without a look at the store, and a scanner of source code knows the form. The secret has 190 random bits, so one SHA-256
is as strong as any slow hash and every request can afford it; slow hashes are for what people choose.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from typing import NamedTuple

PREFIX = "egw_"
PUBLIC = 12
SECRET = 32
CHECK = 6
LENGTH = len(PREFIX) + PUBLIC + 1 + SECRET + CHECK
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Made(NamedTuple):
    """A new key: ``text`` is for its owner alone, the rest is kept."""

    text: str
    public: str
    hash: bytes


def make() -> Made:
    """A new key from the operating system's generator."""
    public = _word(PUBLIC)
    body = f"{PREFIX}{public}_{_word(SECRET)}"
    text = body + _check(body)
    return Made(text, public, digest(text))


def public_part(text: str) -> str | None:
    """The part that finds the row; None when this cannot be a key of ours."""
    if len(text) != LENGTH or not text.startswith(PREFIX) or not text.isascii():
        return None
    body, check = text[:-CHECK], text[-CHECK:]
    if not hmac.compare_digest(_check(body), check):
        return None
    return text[len(PREFIX) : len(PREFIX) + PUBLIC]


def digest(text: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(text.encode()).digest()


def matches(text: str, kept: bytes) -> bool:
    """Whether this is the key that was hashed, in a time that tells nothing."""
    return hmac.compare_digest(digest(text), kept)


def client_id() -> str:
    """A new client's id."""
    return f"client-{_word(16)}"


def _word(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _check(body: str) -> str:
    number = zlib.crc32(body.encode())
    letters = ""
    for _ in range(CHECK):
        number, digit = divmod(number, len(_LETTERS))
        letters = _LETTERS[digit] + letters
    return letters
