"""The only way out to an address that a person typed: one client, bound to one host, that visits nothing else.

Where its name leads is decided when it connects (``addresses.py``), not when it is saved. Redirects are failures,
proxies of the environment are ignored, cookies are not kept and compressed answers not opened.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import aiohttp
from yarl import URL

from gateway.errors import InvalidConfiguration
from gateway.transport.addresses import Guard, Reach, is_public

ANSWER_LIMIT = 64 * 1024
"""Bytes of an answer's body that are read; a longer answer costs the connection, not memory."""


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
        reach = Reach(public=secure, loopback=allow_loopback)
        self._guard = Guard({self.url.raw_host or "": reach}, "Correct its DNS entry or the URL in the settings.")
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
    loopback = host == "localhost" or (literal is not None and literal.is_loopback)
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
