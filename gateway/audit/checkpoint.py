"""Signed heads of the audit log, in the note form that C2SP's checkpoint and signed-note specifications describe.

Three lines (origin, size, root), an empty line, and one line per signature. The origin names the log, the key hash in
each signature line names the key, so a note tells on its own what it is about and who vouches for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.audit.merkle import HASH
from gateway.errors import IntegrityViolated, InvalidConfiguration

ED25519 = b"\x01"
DASH = "\N{EM DASH}"
_NOTE = re.compile(
    r"^(?P<origin>[^\n+ ]+)\n(?P<size>0|[1-9][0-9]{0,17})\n(?P<root>[A-Za-z0-9+/]{43}=)\n\n"
    rf"(?P<signatures>(?:{DASH} [^ \n]+ [A-Za-z0-9+/=]+\n)+)",
    re.MULTILINE,
)


class Checkpoint(msgspec.Struct, frozen=True):
    """A signed head: the log named ``origin`` had ``size`` leaves under ``root``."""

    origin: str
    size: int
    root: bytes
    note: str


def origin_of(tenant: str) -> str:
    """The name of a tenant's log; also the name of the key that signs it."""
    origin = f"emr-gateway/{tenant}"
    if not re.fullmatch(r"[^\s+]+", origin):
        raise InvalidConfiguration("A tenant's name has a space or a plus sign", where="tenants", fix="Rename it.")
    return origin


def _key_hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


class Signer:
    """Signs the heads of one tenant's log."""

    def __init__(self, tenant: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.origin = origin_of(tenant)
        self._public = key.public_key().public_bytes_raw()

    @property
    def public_key(self) -> str:
        """The verifier key as text: ``name+key hash+type and key``; give it to whoever shall verify."""
        hashed = _key_hash(self.origin, self._public).hex()
        return f"{self.origin}+{hashed}+{base64.b64encode(ED25519 + self._public).decode()}"

    def sign(self, size: int, root: bytes) -> Checkpoint:
        """The signed head of a tree."""
        text = f"{self.origin}\n{size}\n{base64.b64encode(root).decode()}\n"
        signature = _key_hash(self.origin, self._public) + self._key.sign(text.encode())
        note = f"{text}\n{DASH} {self.origin} {base64.b64encode(signature).decode()}\n"
        return Checkpoint(self.origin, size, root, note)


class Verifier:
    """Knows some verifier keys and checks notes against them."""

    def __init__(self, public_keys: list[str]) -> None:
        self._keys: dict[tuple[str, bytes], Ed25519PublicKey] = {}
        for text in public_keys:
            try:
                name, hashed, data = text.split("+", 2)
                raw = base64.b64decode(data, validate=True)
                key = Ed25519PublicKey.from_public_bytes(raw[1:])
            except ValueError:
                raise InvalidConfiguration(
                    "A verifier key is not readable", fix="Use name+hash+key as shown."
                ) from None
            if raw[:1] != ED25519 or _key_hash(name, raw[1:]).hex() != hashed:
                raise InvalidConfiguration("A verifier key does not match its own hash", fix="Copy it again.")
            self._keys[name, bytes.fromhex(hashed)] = key

    def keys_of(self, tenant: str) -> list[Ed25519PublicKey]:
        """The known keys that sign for one tenant."""
        return [key for (name, _), key in self._keys.items() if name == origin_of(tenant)]

    def open(self, note: str) -> Checkpoint:
        """The head a note vouches for; ``IntegrityViolated`` when no known key signed it."""
        checkpoint, signatures = parse(note)
        for line in signatures:
            name, _, data = line.removeprefix(f"{DASH} ").partition(" ")
            try:
                signature = base64.b64decode(data, validate=True)
            except binascii.Error:
                continue
            key = self._keys.get((name, signature[:4])) if name == checkpoint.origin else None
            if key is None or base64.b64encode(signature).decode() != data:  # one signature, one way to write it
                continue
            try:
                key.verify(signature[4:], note.partition("\n\n")[0].encode() + b"\n")
            except InvalidSignature:
                continue
            return checkpoint
        raise IntegrityViolated("A checkpoint carries no signature by a known key", where=f"size {checkpoint.size}")


def parse(note: str) -> tuple[Checkpoint, list[str]]:
    """A note's content, unchecked, and its signature lines; ``IntegrityViolated`` when it is not a checkpoint."""
    found = _NOTE.fullmatch(note)
    if found is None:
        raise IntegrityViolated("A note does not have the form of a checkpoint")
    root = base64.b64decode(found["root"])
    if len(root) != HASH:
        raise IntegrityViolated("A checkpoint's root has the wrong length")
    return Checkpoint(found["origin"], int(found["size"]), root, note), found["signatures"].splitlines()


def notes_in(text: str) -> list[str]:
    """All notes in a text that holds many, skipping what a crash has torn."""
    return [found[0] for found in _NOTE.finditer(text)]
