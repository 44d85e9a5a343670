"""Who asks behind proxies: what a trusted proxy saw counts, and nothing that the one who asks can write."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from gateway.http.guard import Guard
from gateway.http.proxies import Proxies

TRUSTED = ("127.0.0.1", "10.1.0.0/24", "2001:db8:1::/48")


def asked(peer: str, *lines: str, header: str = "x-forwarded-for", trusted: tuple[str, ...] = TRUSTED) -> str:
    """Who asks, by these lines of the header."""
    return Proxies(trusted, header).client(peer, [(header.encode(), line.encode("latin-1")) for line in lines])


@pytest.mark.parametrize(
    ("peer", "lines", "found"),
    [
        ("203.0.113.7", ("198.51.100.1",), "203.0.113.7"),  # no proxy of ours: its word counts for nothing
        ("127.0.0.1", (), "127.0.0.1"),
        ("127.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("127.0.0.1", ("192.0.2.9, 198.51.100.1",), "198.51.100.1"),  # what was there before is hearsay
        ("127.0.0.1", ("192.0.2.9", "198.51.100.1"), "198.51.100.1"),  # in lines of its own, too
        ("127.0.0.1", ("192.0.2.9, 198.51.100.1, 10.1.0.8",), "198.51.100.1"),  # through two of ours
        ("127.0.0.1", ("10.1.0.9, 10.1.0.8",), "10.1.0.9"),  # one of ours asked by itself
        ("127.0.0.1", ("192.0.2.9, unknown, 10.1.0.8",), "10.1.0.8"),
        ("127.0.0.1", ("192.0.2.9, ",), "127.0.0.1"),
        ("127.0.0.1", ("198.51.100.1:4711",), "198.51.100.1"),
        ("127.0.0.1", ("2001:db8::7",), "2001:db8::7"),
        ("127.0.0.1", ("[2001:db8::7]:4711",), "2001:db8::7"),
        ("::ffff:127.0.0.1", ("::ffff:198.51.100.1",), "198.51.100.1"),
        ("2001:db8:1::1", ("198.51.100.1",), "198.51.100.1"),
        ("127.0.0.1", ("198.51.100.1\r\nX",), "127.0.0.1"),
        ("127.0.0.1", ("9" * 60_000,), "127.0.0.1"),
        ("127.0.0.1", ("\xff\xfe",), "127.0.0.1"),
        ("testclient", ("198.51.100.1",), "testclient"),
    ],
)
def test_the_first_that_is_no_proxy_of_ours_is_who_asks(peer: str, lines: tuple[str, ...], found: str) -> None:
    """From the right end, past the trusted, to the first other address; an unreadable entry ends the search."""
    assert asked(peer, *lines) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("for=198.51.100.1", "198.51.100.1"),
        ('For="[2001:db8::7]:4711";proto=https;by=10.1.0.1', "2001:db8::7"),
        ('for=192.0.2.9, for=198.51.100.1;proto=https, proto=https;for="10.1.0.8:80"', "198.51.100.1"),
        ('for="192.0.2.9, for=198.51.100.1', "198.51.100.1"),  # a quote that was left open hides nothing
        ("for=_hidden", "127.0.0.1"),
        ("by=198.51.100.1", "127.0.0.1"),
    ],
)
def test_the_standard_header_is_read_alike(line: str, found: str) -> None:
    """RFC 7239 names the same address with quotes, ports and other parameters around it."""
    assert asked("127.0.0.1", line, header="forwarded") == found


def test_only_the_configured_header_counts() -> None:
    """A proxy that writes one header passes the other on as it came: that one is whoever's who asks."""
    proxies = Proxies(TRUSTED, "x-forwarded-for")
    headers = [(b"forwarded", b"for=192.0.2.9"), (b"X-Forwarded-For", b"198.51.100.1")]
    assert proxies.client("127.0.0.1", headers) == "198.51.100.1"
    assert proxies.client("127.0.0.1", headers[:1]) == "127.0.0.1"
    assert asked("127.0.0.1", "198.51.100.1", trusted=()) == "127.0.0.1"


def test_the_door_hands_on_who_asks() -> None:
    """What is behind the door sees the address that the proxy saw."""
    seen: list[Any] = []

    async def room(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        """Nothing is answered."""

    door = Guard(room, hook_bytes=1, secure=False, proxies=Proxies(TRUSTED, "x-forwarded-for"), most=1)
    scope = {
        "type": "http", "method": "GET", "path": "/", "client": ("127.0.0.1", 4711),
        "headers": [(b"x-forwarded-for", b"198.51.100.1")],
    }  # fmt: skip
    asyncio.run(door(scope, receive, send))
    asyncio.run(door({**scope, "client": ("192.0.2.1", 4711)}, receive, send))
    assert seen == ["198.51.100.1", "192.0.2.1"]
