"""Access tokens: short-lived, made and checked by every process alike, and worth nothing once their client is revoked.

A token says whose it is, until when, and for which scopes, under a keyed digest of that client's tenant. Clients must
not look inside, so it needs no standard form; nothing is stored, and no other tenant's key can make one.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from typing import NamedTuple

from gateway.vault import Vault

PREFIX = "egt_"
SECONDS = 300
_MOST = 4096


class Token(NamedTuple):
    """What a token says."""

    client: str
    expires_at: int
    scopes: tuple[str, ...]


def issue(vault: Vault, tenant: str, client: str, scopes: tuple[str, ...], now: int) -> str:
    """A token for :data:`SECONDS` seconds."""
    claims = [client, now + SECONDS, " ".join(scopes), secrets.token_hex(8)]
    body = json.dumps(claims, separators=(",", ":")).encode()
    return PREFIX + _text(body) + "." + _text(_code(vault, tenant, body))


def client_of(text: str) -> str | None:
    """Whose token it says it is, unverified; None when this is no token of ours."""
    parts = _parts(text)
    return None if parts is None else parts[0].client


def verify(vault: Vault, tenant: str, text: str, now: int) -> Token | None:
    """What a token says, when it was made here for this tenant and has not expired."""
    parts = _parts(text)
    if parts is None:
        return None
    token, body, code = parts
    if not hmac.compare_digest(_code(vault, tenant, body), code) or token.expires_at <= now:
        return None
    return token


def _code(vault: Vault, tenant: str, body: bytes) -> bytes:
    return vault.digest(tenant, b"access-token\0" + body)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _parts(text: str) -> tuple[Token, bytes, bytes] | None:
    if not text.startswith(PREFIX) or len(text) > _MOST:
        return None
    try:
        first, second = text.removeprefix(PREFIX).split(".")
        body, code = (_bytes(part) for part in (first, second))
        client, expires, scopes, _ = json.loads(body)
        return Token(str(client), int(expires), tuple(str(scopes).split())), body, code
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
