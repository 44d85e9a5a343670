"""Tokens of an identity provider: which of them let somebody in."""

from __future__ import annotations

import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from gateway.errors import AccessRefused
from gateway.http.admin_oidc import checked_token
from gateway.secret import Secret
from gateway.settings import Oidc

KEY = RSAKey.generate_key(2048, parameters={"kid": "1"})
KEYS = KeySet([KEY]).as_dict(private=False)
SETTINGS = Oidc(
    issuer="https://login.example.org", client_id="gateway", client_secret=Secret("env:X"), amr=("mfa",), acr=("aal2",)
)


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token says, changed; None takes a claim out."""
    now = int(time.time())
    good = {
        "iss": "https://login.example.org", "sub": "8f3c", "aud": "gateway", "exp": now + 300, "iat": now,
        "nonce": "n-1", "amr": ["pwd", "mfa"],
    }  # fmt: skip
    return {name: value for name, value in (good | changed).items() if value is not None}


def signed(found: dict[str, Any], key: Any = KEY, algorithm: str = "RS256") -> str:
    return jwt.encode({"alg": algorithm, "kid": "1"}, found, key, algorithms=[algorithm])


@pytest.mark.parametrize(
    "changed", [{}, {"aud": ["gateway"]}, {"amr": None, "acr": "aal2"}, {"aud": ["gateway", "other"], "azp": "gateway"}]
)
def test_a_good_token_names_somebody(changed: dict[str, Any]) -> None:
    """Signed by the provider, for us, for this trip, now, with several factors: its subject comes out."""
    assert checked_token(signed(claims(**changed)), KEYS, SETTINGS, "n-1") == "8f3c"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"}, {"iss": None}, {"aud": "other"}, {"aud": None}, {"aud": ["other"]},
        {"exp": 1}, {"exp": None}, {"nonce": "n-2"}, {"nonce": None}, {"amr": None}, {"amr": ["pwd"]}, {"amr": "mfa"},
        {"amr": None, "acr": "aal1"}, {"sub": None}, {"sub": ""}, {"sub": 7}, {"iat": int(time.time()) + 86_400},
        {"aud": ["gateway", "other"], "azp": "other"},
    ],
)  # fmt: skip
def test_any_other_token_lets_nobody_in(changed: dict[str, Any]) -> None:
    """One claim that is wrong or missing is enough, and one factor is not."""
    with pytest.raises(AccessRefused):
        checked_token(signed(claims(**changed)), KEYS, SETTINGS, "n-1")


def test_a_signature_is_the_providers() -> None:
    """Another key, no algorithm, a shared secret and no token at all are refused."""
    import base64

    other = RSAKey.generate_key(2048, parameters={"kid": "1"})
    body = signed(claims()).split(".")[1]
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    curve = ECKey.generate_key("P-256", parameters={"kid": "1"})
    for text in (
        signed(claims(), other), f"{none}.{body}.", "", "x", "a.b.c", signed(claims(), curve, "ES256"),
        signed(claims(), OctKey.generate_key(512), "HS256"),
    ):  # fmt: skip
        with pytest.raises(AccessRefused):
            checked_token(text, KEYS, SETTINGS, "n-1")
