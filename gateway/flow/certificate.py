"""Certificates of shredding: what was destroyed, signed; whether a file is one, and whether it still holds here."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.errors import IntegrityViolated
from gateway.vault.keystore import Keystore

MOST_BYTES = 2**20
"""Of a certificate's file: a few hundred bytes, and a hundred for each key."""
_encode = msgspec.json.Encoder(order="sorted").encode


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was destroyed, when and why; ``signature`` is the tenant's Ed25519 over the rest, JSON with sorted keys."""

    tenant: str
    patient: str
    reason: str
    actor: str
    at: str
    keys: tuple[dict[str, Any], ...]
    """Id and digest (SHA-256 of the wrapped form) of each destroyed key; of one that was gone before, id and since when
    (``destroyed``)."""
    counts: dict[str, int]
    intake_days_open: tuple[str, ...]
    """Days whose intake keys are not destroyed yet: a backup of these days may hold a message not yet settled then."""
    public_key: str
    signature: str = ""

    @property
    def late(self) -> bool:
        """Whether nothing was left to destroy."""
        return all("destroyed" in key for key in self.keys)

    def unsigned(self) -> bytes:
        """What is signed."""
        return _encode(msgspec.structs.replace(self, signature=""))


def check_certificate(text: bytes, public_key: Ed25519PublicKey) -> Certificate:
    """Read a certificate; ``IntegrityViolated`` when it is not what this key signed.

    But for white space the text must be the one that was written: a name given twice could tell a reader of another
    patient than the one whom the signature is about.
    """
    try:
        one = msgspec.json.decode(text, type=Certificate)
        signature = base64.b64decode(one.signature, validate=True)
        public_key.verify(signature, one.unsigned())
    except (msgspec.DecodeError, ValueError, InvalidSignature):
        raise _not_genuine() from None
    if not _is_as_written(text, one, signature):
        raise _not_genuine()
    return one


def _not_genuine() -> IntegrityViolated:
    return IntegrityViolated(
        "The certificate was changed, or signed by another key", where="certificate",
        fix="Take the file as it was written, and the public key of the same gateway.",
    )  # fmt: skip


def _is_as_written(text: bytes, one: Certificate, signature: bytes) -> bool:
    as_written = msgspec.json.format(text, indent=-1) == msgspec.json.encode(one)
    return as_written and base64.b64encode(signature).decode() == one.signature


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the keystore says of a certificate now."""

    keys_back: tuple[int, ...]
    """Keys that the certificate says were destroyed, and that are there."""
    keys_since: int
    """Further keys that the patient has."""
    listed: bool
    """Whether the patient is on the shred list."""
    intake_days_open: tuple[str, ...]
    """Of the days that the certificate names, those whose intake keys are not destroyed yet."""

    @property
    def holds(self) -> bool:
        """Whether nothing of the patient can be opened but what the open days may hold."""
        return self.listed and not self.keys_back and not self.keys_since


def standing(one: Certificate, keystore: Keystore) -> Standing:
    """Compare a certificate with the keystore of the gateway that wrote it."""
    patient = UUID(one.patient).bytes
    rows = (keystore.file.row(int(key["key_id"])) for key in one.keys)
    living = {row.owner.decode() for row in keystore.retired_intake(one.tenant, b"9")}
    return Standing(
        keys_back=tuple(row.key_id for row in rows if row is not None and row.wrapped),
        keys_since=len(keystore.keys_of(one.tenant, patient)),
        listed=(one.tenant, patient) in keystore.shreds(),
        intake_days_open=tuple(day for day in one.intake_days_open if day in living),
    )
