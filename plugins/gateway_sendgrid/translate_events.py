"""Events of SendGrid: whether a request is signed by it, and what it says became of which e-mail. Pure.

Events name an e-mail by what was sent along with it; others are not ours. What an event says besides (the address, the
mail server's answer) is not kept.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.errors import InvalidConfiguration
from gateway.model.exchange import Item
from gateway.wire.json_decoder import decoder
from gateway.wire.mail import became, unsubscribed

_FATES: Mapping[str, Literal["delivered", "failed"]] = {
    "delivered": "delivered", "bounce": "failed", "dropped": "failed",
}  # fmt: skip
_ENDS = frozenset({"spamreport", "unsubscribe", "group_unsubscribe"})
_KEY = re.compile(r"[0-9a-f]{32}")
_RECORD = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STATUS = re.compile(r"\d\.\d{1,3}\.\d{1,3}")


class Event(msgspec.Struct, frozen=True):
    """What is read of one event."""

    event: str
    timestamp: int
    sg_event_id: str = ""
    status: str | None = None
    """The enhanced status code of a bounce (RFC 3463)."""
    delivery: str = ""
    patient: str = ""


_list, _one = decoder(list[msgspec.Raw]), decoder(Event)


def public_key(text: str, where: str) -> EllipticCurvePublicKey:
    """The key that the sender shows for its signed events; ``InvalidConfiguration`` when it is none."""
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except ValueError:
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise InvalidConfiguration(
            "This is no P-256 public key", where=where, fix="Copy the verification key of the signed event webhook."
        )
    return key


def verified(key: EllipticCurvePublicKey, timestamp: str, body: bytes, sent: str) -> bool:
    """Whether timestamp and body are signed: ECDSA over both as they came, by SHA-256."""
    try:
        key.verify(base64.b64decode(sent, validate=True), timestamp.encode() + body, ECDSA(SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True


def items(body: bytes) -> list[Item]:
    """Messages of the events that matter; ``msgspec.DecodeError`` when it is no list.

    What does not look like an event of ours is somebody else's, and costs none of ours beside it.
    """
    found: list[Item] = []
    for each in _list(body):
        try:
            one = _one(each)
        except msgspec.DecodeError:
            continue
        if not _KEY.fullmatch(one.delivery) or not _RECORD.fullmatch(one.patient) or not 0 < one.timestamp < 2**33:
            continue
        at = datetime.fromtimestamp(one.timestamp, UTC).isoformat(timespec="seconds")
        fate = _FATES.get(one.event)
        if fate is not None:
            name = hashlib.sha256(f"{one.event}\0{one.sg_event_id}\0{one.timestamp}".encode()).hexdigest()[:24]
            found.append(became(one.delivery, one.patient, fate, at, name, "" if fate == "delivered" else _why(one)))
        elif one.event in _ENDS:
            found.append(unsubscribed(one.patient, at))
    return found


def _why(one: Event) -> str:
    code = one.status or ""
    return f"{one.event}-{code}" if _STATUS.fullmatch(code) else one.event
