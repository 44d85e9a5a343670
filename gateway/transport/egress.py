"""The only way out to an address that a person typed: one client, bound to one host, that visits nothing else.

What a name leads to is decided when it connects, not when it is saved: the name is resolved once, every address of the
answer must be public, and the connection goes to one of exactly these addresses with the name kept for TLS. The last
check is made on the address each socket is opened for, so a literal address or a later answer cannot go round it.
Redirects are failures, proxies of the environment are ignored, cookies are not kept and compressed answers not opened.

A network's own NAT64 prefix other than the well-known one cannot be recognised from an address; such a network must
filter its translator.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.errors import InvalidConfiguration, RetryLater

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

ANSWER_LIMIT = 64 * 1024
"""Bytes of an answer's body that are read; a longer answer costs the connection, not memory."""

_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_6TO4 = ipaddress.IPv6Network("2002::/16")
_ISATAP = (0x00005EFE, 0x02005EFE)
_NEVER = tuple(
    ipaddress.ip_network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/3"),
        "168.63.129.16/32",  # a cloud platform's agent on every one of its machines
        "2001::/23",  # Teredo, ORCHID, benchmarking: nothing a clinic's partner is served from
        *("2001:db8::/32", "3fff::/20", "2620:4f:8000::/48"),
    )
)


def is_public(address: IPAddress) -> bool:
    """Whether an address is unicast on the public internet, and so is the IPv4 address that may be embedded in it."""
    if isinstance(address, ipaddress.IPv6Address) and (address in _MAPPED or address in _NAT64):
        return is_public(_low(address))
    if not address.is_global or any(address in network for network in _NEVER if network.version == address.version):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    if address in _6TO4:
        return is_public(ipaddress.IPv4Address(int(address) >> 80 & 0xFFFFFFFF))
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP and not is_public(_low(address)):
        return False
    return address in _UNICAST and not address.scope_id


def _low(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def is_loopback(address: IPAddress) -> bool:
    """Whether an address is this very machine's loopback interface."""
    return address.is_loopback


class _Guard(AbstractResolver):
    """Resolves one host and vouches for every address of the answer."""

    def __init__(self, host: str, *, public: bool, loopback: bool) -> None:
        self._host = host
        self._public = public
        self._loopback = loopback
        self._resolver: AbstractResolver | None = None  # belongs to an event loop, so it is made inside one

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host != self._host:
            raise self._refusal()
        if self._resolver is None:
            self._resolver = aiohttp.ThreadedResolver()
        answers = await self._resolver.resolve(host, port, family)
        for answer in answers:
            self.check(answer["host"])
        return answers

    def check(self, text: str) -> None:
        """Refuse an address the way out does not lead to."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise self._refusal() from None
        if not ((self._public and is_public(address)) or (self._loopback and is_loopback(address))):
            raise self._refusal()

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Make the socket for one address, after the last look at it."""
        family, kind, protocol, _, where = info
        self.check(where[0])
        return socket.socket(family, kind, protocol)

    def _refusal(self) -> RetryLater:
        return RetryLater(
            "A host leads to an address that is not public, so nothing was sent",
            where=self._host,
            fix="Correct its DNS entry or the URL in the settings.",
        )

    async def close(self) -> None:
        """Nothing stays open between look-ups."""


class Answer(NamedTuple):
    """What a peer said."""

    status: int
    headers: Mapping[str, str]
    """Names compare without case."""
    body: bytes = b""
    """Up to the limit; ``whole`` says whether that is all."""
    whole: bool = True


class Egress:
    """An HTTP client for one URL, and the other paths of its host.

    Args:
        url: ``https://host[:port]/path``; ``http`` only to this machine and only with ``allow_loopback``.
        allow_loopback: whether this machine's loopback interface may be reached: for development and tests.
        ca_file: PEM file of the authorities to trust instead of the system's.
        connections: most requests at one time; connections are kept alive between them.
        timeout: seconds for one whole exchange.
        answer_limit: bytes of an answer that are read.
        where: the setting the URL came from, for errors.

    Raises:
        InvalidConfiguration: the URL cannot be a public HTTPS endpoint, or ``ca_file`` cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        allow_loopback: bool = False,
        ca_file: Path | None = None,
        connections: int = 16,
        timeout: float = 20.0,
        answer_limit: int = ANSWER_LIMIT,
        where: str = "url",
    ) -> None:
        self.url, secure = _checked(url, allow_loopback=allow_loopback, where=where)
        self._guard = _Guard(self.url.raw_host or "", public=secure, loopback=allow_loopback)
        self._tls = _tls(ca_file, where) if secure else True
        self._connections = connections
        self._timeout = timeout
        self._limit = answer_limit
        self._session: aiohttp.ClientSession | None = None

    @property
    def endpoint(self) -> str:
        """Scheme, host and port."""
        return str(self.url.origin())

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self._tls,
            resolver=self._guard,
            socket_factory=self._guard.open_socket,
            happy_eyeballs_delay=None,
            limit=self._connections,
            keepalive_timeout=30.0,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            requote_redirect_url=False,
        )

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send ``body`` and give back the answer, whatever its status is.

        Raises:
            RetryLater: the host leads somewhere that is not public; nothing was sent.
            aiohttp.ClientConnectorError: no connection, TLS included; nothing was sent.
            aiohttp.ClientError, TimeoutError: the exchange broke off; it may have happened.
        """
        return await self._exchange("POST", self.url, body, headers)

    async def get(self, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Ask the same URL with a query; errors as of :meth:`post`."""
        return await self._exchange("GET", self.url.with_query(query), None, headers)

    async def send(
        self,
        method: Literal["GET", "POST", "PATCH"],
        target: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        """The same for another path of the same host: ``target`` is ``/path?query``, percent-encoded already.

        There is neither PUT nor DELETE: the client library sends them a second time by itself when a kept
        connection breaks, and what acts must be sent once.

        Raises:
            ValueError: ``target`` does not begin with exactly one slash.
            RetryLater, aiohttp.ClientError, TimeoutError: as for :meth:`post`.
        """
        if not target.startswith("/") or target.startswith("//"):
            raise ValueError("a target is a path of the same host")
        return await self._exchange(method, URL(f"{self.url.origin()}{target}", encoded=True), body, headers)

    async def _exchange(self, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        if self._session is None:
            self._session = self._open()
        async with self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
            read = bytearray()
            while len(read) < self._limit and (chunk := await response.content.read(self._limit - len(read))):
                read += chunk
            whole = len(read) < self._limit
            if not whole:
                response.close()
            return Answer(response.status, response.headers, bytes(read), whole)

    async def close(self) -> None:
        """Close every connection; the client can be used again."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
            await asyncio.sleep(0)  # lets the transports that were just closed go before the loop does


def _checked(text: str, *, allow_loopback: bool, where: str) -> tuple[URL, bool]:
    """The URL and whether it is HTTPS. The text may hold a secret path, so no error repeats it."""
    try:
        url = URL(text)
        host, port = url.raw_host, url.explicit_port
    except ValueError:
        raise InvalidConfiguration("This is not a URL", where=where, fix="Write https://host/path.") from None
    if url.scheme not in {"https", "http"} or not host or port == 0 or any(ord(sign) <= 32 for sign in text):
        raise InvalidConfiguration("This is not an absolute https URL", where=where, fix="Write https://host/path.")
    if url.raw_user is not None or url.raw_password is not None or url.raw_fragment:
        raise InvalidConfiguration(
            "A URL with a user, password or fragment is not sent", where=where, fix="Leave these parts out."
        )
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        literal = None
    loopback = host == "localhost" or (literal is not None and is_loopback(literal))
    if url.scheme == "http" and not (allow_loopback and loopback):
        raise InvalidConfiguration(
            "Patient data leaves only over https",
            where=where,
            fix="Use https; http is for a receiver on this machine, with allow_loopback = true.",
        )
    if literal is not None and not is_public(literal) and not (allow_loopback and loopback):
        raise InvalidConfiguration("This address is not public", where=where, fix="Use the receiver's public name.")
    return url, url.scheme == "https"


def _tls(ca_file: Path | None, where: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError):
        raise InvalidConfiguration(
            "The file of trusted authorities cannot be read", where=where, fix="Name a readable PEM file in ca_file."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
