"""The signed assertion by which a SMART Backend Services client says who it is (RFC 7523, SMART App Launch 2)."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, NamedTuple

from gateway.errors import AccessRefused, InvalidConfiguration

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("RS384", "ES384")
LONGEST_SECONDS = 300
"""SMART lets an assertion live no longer than five minutes."""
SKEW_SECONDS = 10
MOST_BYTES = 16_384
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_STRENGTH = {"RSA": 2048, "EC": 384}


class Assertion(NamedTuple):
    """What a valid assertion says: who, and which one it is."""

    client: str
    jti: bytes
    """SHA-256 of its id."""
    expires_at: int
    """Seconds since 1970."""


def checked_keys(text: str) -> str:
    """A client's public JWK Set, in canonical form.

    Raises:
        InvalidConfiguration: it is no JWK Set, holds a private key, or a key of a kind that SMART does not use.
    """
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    where = "JWK Set"
    try:
        keys = json.loads(text)["keys"]
        if not keys or len(keys) > 10:
            raise ValueError
        if any(_PRIVATE & set(key) for key in keys):
            raise InvalidConfiguration("The JWK Set holds a private key", where=where, fix="Register public keys only.")
        read = KeySet.import_key_set({"keys": keys})
    except (ValueError, KeyError, TypeError, AttributeError, JoseError):
        raise InvalidConfiguration("This is not a JWK Set", where=where, fix='Give {"keys": [...]}.') from None
    for key in read.keys:
        if key.key_type not in _STRENGTH or not _strong(key.as_dict()):
            raise InvalidConfiguration(
                "A key is neither RSA of 2048 bits or more nor EC P-384", where=where, fix="Use RS384 or ES384 keys."
            )
    return json.dumps({"keys": keys}, sort_keys=True)


def _strong(key: dict[str, Any]) -> bool:
    if key["kty"] == "EC":
        return bool(key.get("crv") == "P-384")
    return len(str(key.get("n", ""))) * 6 >= _STRENGTH["RSA"] - 8


def claimed_client(text: str) -> str | None:
    """Whose assertion it says it is, unverified: only good to find the keys by which to verify it."""
    import base64

    parts = text.split(".")
    if len(text) > MOST_BYTES or len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        issuer = claims["iss"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return issuer if isinstance(issuer, str) else None


def verify(text: str, jwks: str, client: str, audience: str, now: int) -> Assertion:
    """Check signature, names, audience and times.

    Raises:
        AccessRefused: any of them is wrong; the sentence says which.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        token = jwt.decode(text, KeySet.import_key_set(json.loads(jwks)), algorithms=list(ALGORITHMS))
        claims = token.claims
    except (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise AccessRefused("The assertion is not signed by a registered key with RS384 or ES384") from None
    audiences = claims.get("aud")
    if audience not in (audiences if isinstance(audiences, list) else [audiences]):
        raise AccessRefused("The assertion's aud is not this token endpoint", where="aud", fix=f"Use {audience}.")
    if claims.get("iss") != client or claims.get("sub") != client:
        raise AccessRefused("The assertion's iss and sub are not the client's id", where="iss")
    expires = _seconds(claims.get("exp"))
    if expires is None:
        raise AccessRefused("The assertion has no exp", where="exp")
    if expires < now - SKEW_SECONDS or expires > now + LONGEST_SECONDS + SKEW_SECONDS:
        raise AccessRefused("The assertion has expired, or lives longer than five minutes", where="exp")
    for name in ("nbf", "iat"):
        if (_seconds(claims.get(name)) or 0) > now + SKEW_SECONDS:
            raise AccessRefused("The assertion is not valid yet", where=name)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 500:
        raise AccessRefused("The assertion has no jti", where="jti")
    return Assertion(client, hashlib.sha256(jti.encode(errors="surrogatepass")).digest(), expires + SKEW_SECONDS)


def _seconds(value: Any) -> int | None:
    """A time as RFC 7519 writes it, a fraction cut off: languages count seconds in floats; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value)
