"""Two hundred ways to write an address inside, none of which the way out visits."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.errors import InvalidConfiguration, RetryLater
from gateway.model.exchange import RateBudget
from gateway.transport import addresses
from gateway.transport.addresses import is_private
from gateway.transport.egress import Egress
from gateway.transport.http import HttpClient, HttpLimits, is_loopback
from tests.waiting import PATIENCE

INSIDE = (
    "127.0.0.1", "127.8.9.10", "10.0.0.5", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.9", "0.0.0.0",
    "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255",
)  # fmt: skip


def spellings(text: str) -> Iterator[str]:
    """One IPv4 address in the ways that some parser or other reads as it."""
    address = ipaddress.IPv4Address(text)
    number, parts = int(address), [int(part) for part in text.split(".")]
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    yield text
    yield text + "."
    yield str(number)
    yield hex(number)
    yield f"0{number:o}"
    yield ".".join(f"0{part:o}" for part in parts)
    yield ".".join(hex(part) for part in parts)
    yield f"{parts[0]}.{number & 0xFFFFFF}"
    yield f"{parts[0]}.{parts[1]}.{number & 0xFFFF}"
    yield "".join(chr(0xFF10 + int(sign)) if sign.isdigit() else sign for sign in text)
    yield text.replace(".", "。")
    yield f"[::ffff:{text}]"
    yield f"[::ffff:{high}:{low}]"
    yield f"[64:ff9b::{text}]"
    yield f"[2002:{high}:{low}::1]"
    yield f"[2606:4700::5efe:{high}:{low}]"
    yield f"[::{text}]"


NAMES = (
    "localhost",
    "localhost.",
    "LOCALHOST",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
)
VECTORS = tuple(dict.fromkeys([*(one for text in INSIDE for one in spellings(text)), *NAMES]))
opened: list[str] = []


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every socket that the way out would open is noted, after its own check let it through."""
    opened.clear()
    let_through = addresses.Guard.open_socket

    def noting(self: Any, info: tuple[Any, ...]) -> socket.socket:
        made = let_through(self, info)
        opened.append(str(info[4][0]))
        made.close()
        raise OSError("no packet leaves a test")

    monkeypatch.setattr(addresses.Guard, "open_socket", noting)


async def send(url: str, resolver: AbstractResolver | None) -> None:
    """By the client for what persons typed."""
    way = Egress(url, timeout=PATIENCE)
    way._guard._resolver = resolver
    try:
        await way.post(b"{}", {})
    finally:
        await way.close()


async def poll(url: str, resolver: AbstractResolver | None, **options: bool) -> None:
    """By the client that asks systems, on an origin that is not this machine's own."""
    limits = HttpLimits(attempts=1, total=PATIENCE)
    async with HttpClient([url], budget=RateBudget(requests=9, seconds=1.0), limits=limits, **options) as client:  # type: ignore[arg-type]  # of these only allow_private
        client._guard._resolver = resolver
        await client.get(URL(url), bytes)


def visit(url: str, *, resolver: AbstractResolver | None = None) -> None:
    """Try to send; whatever is refused is refused."""
    with pytest.raises((InvalidConfiguration, RetryLater, aiohttp.ClientError, OSError)):
        asyncio.run(send(url, resolver))


def ask(url: str, *, resolver: AbstractResolver | None = None, **options: bool) -> None:
    """Try to poll; whatever is refused is refused."""
    with pytest.raises((InvalidConfiguration, RetryLater, OSError, ValueError)):
        asyncio.run(poll(url, resolver, **options))


def test_the_vectors_are_two_hundred() -> None:
    """The corpus is as large as the requirement asks."""
    assert len(VECTORS) >= 200


class System(AbstractResolver):
    """The system's own reading of what looks like a number, without asking any name server."""

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        try:
            text = (
                "127.0.0.1" if host.rstrip(".") == "localhost" else socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))
            )
        except OSError:
            raise OSError("no such name") from None
        return [ResolveResult(hostname=host, host=text, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_no_spelling_leads_inside(scheme: str) -> None:
    """Each is refused when it is read or before a socket is opened, whatever the system would make of it."""
    for host in VECTORS:
        visit(f"{scheme}://{host}/hook", resolver=System())
        assert opened == [], host


def own_name(host: str) -> bool:
    """Whether it is read as this machine's own name, which a simulator has."""
    try:
        return is_loopback(URL(f"https://{host}/"))
    except ValueError:
        return False


def test_no_spelling_leads_a_poller_inside() -> None:
    """What a source's settings or its own discovery name is refused likewise, but for this machine by its own name."""
    for host in VECTORS:
        if own_name(host):
            continue
        ask(f"https://{host}/hook", resolver=System())
        assert opened == [], host
        ask(f"https://{host}/hook", resolver=System(), allow_private=True)
        assert all(is_private(ipaddress.ip_address(one)) for one in opened), host
        opened.clear()


@pytest.mark.parametrize(
    "url",
    [
        "https://good.example@127.0.0.1/", "https://127.0.0.1#@good.example/", "https://127.0.0.1%2f@good.example/",
        "https://good.example%00.127.0.0.1/", "https:127.0.0.1/", "https:///127.0.0.1/", "//127.0.0.1/", "file:///etc/passwd",
        "gopher://127.0.0.1:70/", "ftp://10.0.0.1/", "https://[127.0.0.1]/", "https://127.0.0.1:0/", "https://\t127.0.0.1/",
        "https://127.0.0.1\\@good.example/", "data:text/plain,x", "https://good.example\r\nHost: 127.0.0.1/", "https://",
    ],
)  # fmt: skip
def test_no_trick_of_the_address_leads_inside(url: str) -> None:
    """Users, fragments, other schemes, backslashes and control characters do not hide where it goes."""
    visit(url, resolver=System())
    assert opened == []


class Turning(AbstractResolver):
    """A name server that says something public, then something inside, or both at once."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(
                hostname=host, host=text, port=port, family=socket.AF_INET6 if ":" in text else socket.AF_INET, proto=0,
                flags=0,
            )
            for text in found
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("inside", [*INSIDE, "::1", "fd00:ec2::254", "::ffff:127.0.0.1"])
def test_rebinding_leads_nowhere(inside: str) -> None:
    """A name that turns, or hides one address among good ones, is refused at the look-up that tells it."""
    visit("https://rebind.example/", resolver=Turning((inside,)))
    visit("https://rebind.example/", resolver=Turning(("8.8.8.8", inside)))
    ask("https://rebind.example/", resolver=Turning((inside,)))
    ask("https://rebind.example/", resolver=Turning(("8.8.8.8", inside)))
    assert opened == []


@pytest.mark.parametrize("inside", ["10.0.0.5", "172.16.3.4", "192.168.1.1", "100.64.0.9", "fd12:3456::1"])
def test_a_house_of_its_own_is_visited_where_it_is_allowed(inside: str) -> None:
    """A hospital's server behind its own name is reached with ``allow_private``, and not without."""
    ask("https://ehr.example/", resolver=Turning((inside,)))
    assert opened == []
    ask("https://ehr.example/", resolver=Turning((inside,)), allow_private=True)
    assert opened == [inside]


@pytest.mark.parametrize("never", ["127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", "fe80::1", "168.63.129.16"])
def test_what_a_cloud_tells_its_machines_is_never_visited(never: str) -> None:
    """Neither this machine nor the addresses that tell its credentials are a house's own, whatever is allowed."""
    ask("https://ehr.example/", resolver=Turning((never,)), allow_private=True)
    assert opened == []


def test_the_watch_sees_a_visit() -> None:
    """What is public does get as far as a socket: the tests above would see one."""
    visit("https://public.example/", resolver=Turning(("8.8.8.8",)))
    ask("https://public.example/", resolver=Turning(("8.8.4.4",)))
    assert opened == ["8.8.8.8", "8.8.4.4"]
