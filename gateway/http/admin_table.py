"""Which power each route of the admin port asks for, and for which purpose it is used: the one table of it.

A route that is not here cannot be served: the port refuses to start. Open is only what signs people in, and the pages,
which are the same for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Need(NamedTuple):
    """What one route asks of whoever calls it."""

    power: str
    purpose: str
    """Why, as the audit log tells it."""
    tenant: bool = True
    """Whether it is about one clinic group."""


OPEN = Need("", "", tenant=False)
"""Nobody is signed in yet."""
SIGNED = Need("", "operations", tenant=False)
"""Everybody who is signed in: their own session."""

TABLE: Mapping[tuple[str, str], Need] = {
    ("GET", "/health"): OPEN,
    ("GET", "/passkeys"): OPEN,
    ("GET", "/passkeys.js"): OPEN,
    ("GET", "/console.css"): OPEN,
    ("POST", "/session"): OPEN,
    ("POST", "/session/passkey/question"): OPEN,
    ("POST", "/session/passkey"): OPEN,
    ("GET", "/oidc/start"): OPEN,
    ("GET", "/oidc/callback"): OPEN,
    ("GET", "/session"): SIGNED,
    ("DELETE", "/session"): SIGNED,
    ("POST", "/session/password"): SIGNED,
    ("GET", "/session/passkeys"): SIGNED,
    ("POST", "/session/passkeys/question"): SIGNED,
    ("POST", "/session/passkeys"): SIGNED,
    ("POST", "/session/passkeys/remove"): SIGNED,
    ("GET", "/messages"): Need("messages.read", "operations"),
    ("GET", "/quarantine"): Need("quarantine.read", "operations"),
    ("GET", "/quarantine/one"): Need("quarantine.read", "operations"),
    ("POST", "/quarantine/release"): Need("quarantine.release", "operations"),
    ("GET", "/routes"): Need("status.read", "operations"),
    ("GET", "/records/{type}"): Need("records.read", "operations"),
    ("GET", "/records/{type}/{id}"): Need("records.read", "operations"),
    ("GET", "/explain/{id}/{field}"): Need("explain", "explain"),
    ("GET", "/audit"): Need("audit.read", "review"),
    ("GET", "/audit/sums"): Need("audit.read", "review"),
    ("GET", "/people"): Need("people.read", "review"),
    ("POST", "/breakglass"): Need("breakglass.use", "emergency"),
    ("POST", "/breakglass/end"): Need("breakglass.use", "emergency"),
    ("GET", "/breakglass"): Need("breakglass.review", "review"),
    ("POST", "/breakglass/review"): Need("breakglass.review", "review"),
}
UNCHANGED = frozenset({("GET", "/session"), ("DELETE", "/session"), ("POST", "/session/password")})
"""All that a person may do before a password that was made for them is changed."""
