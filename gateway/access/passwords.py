"""Passwords of people: hashed slowly, and checked at the same cost whether there is such a person or not."""

from __future__ import annotations

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.errors import InvalidConfiguration

SHORTEST = 12
LONGEST = 128
"""A longer text would be hashed all the same, but nobody types it."""
_hasher = PasswordHasher(time_cost=2, memory_cost=47_104, parallelism=1)  # argon2id, 46 MiB: more than OWASP's least
_LETTERS = "23456789abcdefghijkmnpqrstuvwxyz"


def hashed(text: str) -> str:
    """What is kept of a password."""
    return _hasher.hash(text)


def matches(text: str, kept: str | None) -> bool:
    """Whether this is the password; with nothing kept, the same work is done for nothing."""
    try:
        right = _hasher.verify(kept or _nobody(), text[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    return bool(kept) and right


@cache
def _nobody() -> str:
    return _hasher.hash(secrets.token_hex(32))


def made() -> str:
    """A password of 100 random bits, in groups that can be read out."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def acceptable(text: str, name: str) -> str:
    """The password itself, when it is one that people may choose.

    Raises:
        InvalidConfiguration: it is too short, too long, holds the account's name, or is made of few signs.
    """
    if not SHORTEST <= len(text) <= LONGEST or not text.isprintable():
        raise InvalidConfiguration(f"A password has {SHORTEST} to {LONGEST} printable signs", where="password")
    if name.lower() in text.lower() or len(set(text)) < 6:
        raise InvalidConfiguration(
            "This password is too easy to guess", where="password", fix="Leave out the account's name; use more signs."
        )
    return text
