"""One-time codes (TOTP, RFC 6238) as the second factor of local accounts.

The secret of an account is not stored: it is derived under a key of the vault from the account's name and a number that
changes whenever the second factor is set up anew. Whoever copies the database has no second factor of anybody.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING

from gateway.errors import PluginFailed

if TYPE_CHECKING:
    import pyotp

STEP_SECONDS = 30
NONCE_BYTES = 16
SECRET_BYTES = 20


def material(person: str, nonce: bytes) -> bytes:
    """What the vault's keyed digest is made of for one account."""
    return b"one-time\0" + person.encode() + b"\0" + nonce


def uri(secret: bytes, person: str) -> str:
    """The ``otpauth`` address that authenticator apps read; it holds the secret and is shown once."""
    return _totp(secret).provisioning_uri(name=person, issuer_name="EMR gateway")


def step_of(secret: bytes, code: str, now: float) -> int | None:
    """The step whose code this is, one before or after the present one included; None when it is none of them.

    All three are compared, so the time it takes tells nothing. The caller must refuse a step it has seen.
    """
    present = int(now) // STEP_SECONDS
    given = code.replace(" ", "").encode("utf-8", "replace")[:64]
    totp = _totp(secret)
    found = None
    for step in (present - 1, present, present + 1):
        if hmac.compare_digest(totp.at(step * STEP_SECONDS).encode(), given):
            found = step
    return found


def _totp(secret: bytes) -> pyotp.TOTP:
    try:
        import pyotp
    except ImportError:
        raise PluginFailed(
            "Local accounts need pyotp", where="people", fix="Install the gateway with the extra people."
        ) from None
    return pyotp.TOTP(base64.b32encode(secret[:SECRET_BYTES]).decode(), interval=STEP_SECONDS)
