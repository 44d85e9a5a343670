"""Access tokens and assertions of strangers: whatever stands in them, they are refused and nothing fails."""

from __future__ import annotations

import base64

import pytest

from gateway.access.assertion import claimed_client
from gateway.http.tokens import PREFIX, client_of


def packed(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


@pytest.mark.parametrize("body", [b"[" * 3000, b'["client-x",Infinity,"",""]', b"{}", b"\xff", b"7", b'{"a":' * 500])
def test_a_token_of_a_stranger_is_no_token(body: bytes) -> None:
    """Depth, infinite numbers and bytes that are no text are refused like any wrong token, before anything is known."""
    assert client_of(f"{PREFIX}{packed(body)}.{packed(b'x')}") is None


@pytest.mark.parametrize("body", [b"[" * 9000, b'{"iss":' * 1500, b"\xff", b"[]"])
def test_an_assertion_of_a_stranger_names_nobody(body: bytes) -> None:
    """An assertion that is nested without end names no client, and nothing fails over it."""
    assert claimed_client(f"e30.{packed(body)}.x") is None
