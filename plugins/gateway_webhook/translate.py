"""Deliveries to signed requests, and answers to outcomes. Pure: the time is handed in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

import msgspec

from gateway.errors import InvalidConfiguration
from gateway.model.exchange import Delivered, Delivery, Outcome, Rejected, Retry

LONGEST_WAIT = 86_400.0
"""Seconds: a receiver that names a later time is asked again after a day."""

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECONDS = re.compile(r"\d{1,12}", re.ASCII)
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:=/+-]{1,80}")
_TRANSIENT = frozenset({408, 425, 429})
_OF_THE_ENDPOINT = frozenset({401, 403, 404, 405, 407})
"""A wrong secret, address or door: every request fares so until somebody mends it, whatever it says."""
_encode = msgspec.json.Encoder().encode


class _Data(msgspec.Struct, frozen=True):
    id: str
    version: int
    source: str
    observed_at: str
    record: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Event(msgspec.Struct, frozen=True):
    type: str
    timestamp: str
    data: _Data


def signing_key(secret: str, where: str) -> bytes:
    """The key within ``whsec_`` and base64 text: 24 to 64 bytes.

    Raises:
        InvalidConfiguration: it is anything else; the error does not repeat it.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise InvalidConfiguration(
            "A signing secret is not whsec_ and 24 to 64 bytes in base64",
            where=where,
            fix="Take the receiver's secret.",
        )
    return key


def message_id(delivery: Delivery) -> str:
    """The ``webhook-id``: a digest of the delivery's key, so every attempt of one effect has the same."""
    return f"msg_{hashlib.sha256(delivery.key.encode()).hexdigest()[:40]}"


@lru_cache(maxsize=1024)
def event_type(record_type: str, change: str) -> str:
    """``ClaimPayment`` and ``created`` as ``claim_payment.created``."""
    return f"{_WORD_START.sub('_', record_type).lower()}.{change}"


def payload(delivery: Delivery, content: str) -> bytes:
    """The request's body, full, thin or empty: the same bytes for every attempt."""
    if content == "empty":
        return b""
    record = msgspec.UNSET if content == "thin" else msgspec.Raw(delivery.body)
    data = _Data(delivery.record_id, delivery.version, delivery.source, delivery.observed_at, record)
    return _encode(_Event(event_type(delivery.type, delivery.change), delivery.at, data))


def told(delivery: Delivery, content: str) -> tuple[str, ...]:
    """Names of what a request tells of a record: its fields, its id alone, or nothing."""
    return {"full": delivery.fields, "thin": ("id",)}.get(content, ())


def signed(keys: Sequence[bytes], id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The request's headers: one ``v1`` signature per key over id, time and body."""
    message = b"%s.%d.%s" % (id.encode(), timestamp, body)
    signatures = (base64.b64encode(hmac.digest(key, message, "sha256")).decode() for key in keys)
    return {
        "content-type": "application/json",
        "user-agent": "emr-gateway-webhook/1",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def outcome(status: int, headers: Mapping[str, str], id: str, now: datetime) -> Outcome:
    """What an answer means.

    2xx is delivered; 410 and any other 4xx is refused for good, but 408, 425 and 429 ask for patience, and 401, 403,
    404, 405 and 407 speak of the endpoint and not of what was sent; 3xx is a failure that is not followed and may be
    mended at the receiver; all else is tried again.
    """
    if 200 <= status < 300:
        peer = headers.get("x-request-id", "")
        return Delivered(f"{status} {id} {peer}" if _PLAIN_ID.fullmatch(peer) else f"{status} {id}")
    if status == 410:
        return Rejected("endpoint-gone")
    if 400 <= status < 500 and status not in _TRANSIENT | _OF_THE_ENDPOINT:
        return Rejected(f"http-{status}")
    return Retry(f"http-{status}", retry_after(headers.get("retry-after", ""), now))


def retry_after(text: str, now: datetime) -> float | None:
    """Seconds to wait by a ``Retry-After`` header, at most a day; None when it says nothing understandable."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_WAIT)
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError):
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)  # "-0000" says UTC without a zone
    return min(max((then - now).total_seconds(), 0.0), LONGEST_WAIT)
