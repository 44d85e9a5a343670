"""An HTTP client for polling systems that may be slow, limited, broken or lying.

It asks for JSON with GET, and otherwise only for what may be asked for twice, so that every request may be repeated:
a full budget waits, 429 is obeyed, 5xx, cut bodies and lost connections are tried again with backoff and full jitter,
a bounded number of times. What cannot be had becomes :class:`SourceUnavailable` with a reason that holds no query, no
id and no byte of an answer.
"""

from __future__ import annotations

import asyncio
import random
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, nullcontext
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import aiohttp
import msgspec
from yarl import URL

from gateway.errors import InvalidConfiguration, RateLimited, SourceUnavailable
from gateway.model.exchange import RateBudget
from gateway.transport.addresses import Guard, Reach
from gateway.transport.budget import RateWindow, Sleep
from gateway.transport.schedule import current_seat

T = TypeVar("T")

_CHUNK = 64 * 1024
_ID = re.compile(r"/\d[^/]*")
_PRIVATE = "Use the public name; an address of the house's own network needs allow_private = true, where it is offered."
_UNREACHED = "Check the address and the network, and whether the system is up; it is asked again by itself."
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,40}")


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long, how large and how often; times in seconds."""

    connect: float = 10.0
    total: float = 60.0
    """From sending a request to the last byte of its answer."""
    max_bytes: int = 16 * 1024 * 1024
    """Of one answer after decompression."""
    attempts: int = 5
    backoff: float = 0.5
    """The first wait is at most this; each further one at most twice the one before."""
    backoff_cap: float = 30.0
    pause_cap: float = 120.0
    """The longest wait that a 429 can ask for; the answer of a broken clock is not obeyed beyond it."""
    concurrency: int = 4


class Answer(msgspec.Struct, frozen=True):
    """What a request that is not a plain GET of JSON was answered with."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


COUNTS_FROM = "at the next attempt where it stands in a file, else from the next start on"
"""When a replaced secret of a credential counts, in the words of an error's cure."""


class Credential(Protocol):
    """Headers that grant access for a time, such as a bearer token."""

    async def headers(self) -> Mapping[str, str]:
        """What to send with the next request; may ask for a new token."""

    def refused(self) -> bool:
        """The peer answered 401; True when another attempt would be made with another credential."""


class HttpClient:
    """GET requests to a fixed set of origins; use it as an async context manager.

    Args:
        origins: ``https://host[:port]`` of every place it may talk to. Plain ``http`` is allowed on loopback alone.
        budget: what the peer allows per credential; the client counts every attempt.
        headers: sent with every request; a credential among them never appears in an error.
        clock: monotonic seconds. ``wall``: seconds since 1970, for peers that name a time instead of a duration.
        jitter: a number in [0, 1) that backoff is multiplied with.
        credential: asked for further headers before each attempt, and told when they were refused.
        tls: certificates to show and to trust; the system's own when not given.
        explain: reads what the body of a 4xx says in the peer's own protocol, and makes an error of it without values.
        secret_paths: whether a path is what grants access; then no error names one.
        allow_private: whether an origin may have an address of the house's own network, such as a hospital's server.

    An origin on loopback leads there and nowhere else; every other one to public addresses, looked at as each socket is
    opened.
    """

    def __init__(
        self,
        origins: Collection[str],
        *,
        budget: RateBudget,
        headers: Mapping[str, str] | None = None,
        limits: HttpLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        credential: Credential | None = None,
        tls: ssl.SSLContext | None = None,
        explain: Callable[[bytes], SourceUnavailable | None] | None = None,
        secret_paths: bool = False,
        allow_private: bool = False,
    ) -> None:
        self._secret_paths = secret_paths
        self._explain = explain
        self._credential = credential
        self._tls = tls
        self._origins = frozenset(_origin(text) for text in origins)
        self._guard = _guard(self._origins, allow_private=allow_private)
        self._limits = limits or HttpLimits()
        self._headers = {"Accept": "application/json"} | dict(headers or {})
        self._window = RateWindow(budget, clock=clock, sleep=sleep)
        self._places = asyncio.Semaphore(min(self._limits.concurrency, budget.requests))
        self._wall = wall
        self._sleep = sleep
        self._jitter = jitter
        self.skew: float | None = None
        """Seconds by which the peer's clock is early, by the ``Date`` of its latest answer; None before one."""
        self._session: aiohttp.ClientSession | None = None
        self._seat = current_seat()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=self._limits.total, connect=self._limits.connect),
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(
                ssl=self._tls or True, resolver=self._guard, socket_factory=self._guard.open_socket
            ),
        )
        if self._seat is not None:
            self._seat.own(self._window)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
            if self._seat is not None:
                self._seat.disown(self._window)

    async def get(self, url: URL, decode: Callable[[bytes], T]) -> T:
        """Fetch ``url`` and decode its JSON; a ``msgspec.DecodeError`` of ``decode`` counts as a cut body.

        Raises:
            RateLimited: 429 until the last attempt.
            SourceUnavailable: refused, unreachable, too slow, too large, not JSON, or cut until the last attempt.
            InvalidConfiguration: ``url`` leaves the configured origins.
        """
        return await self._repeated(url, lambda: self._fetched(url, decode))

    async def request(
        self,
        method: str,
        url: URL,
        *,
        expect: Collection[int],
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: bytes | None = None,
    ) -> Answer:
        """Ask for something that may be asked for twice; an answer of another status is an error as for :meth:`get`.

        A status of ``expect`` is an answer whatever it says: the caller reads 202, 404 or 410 by its own protocol.
        """
        body = aiohttp.FormData(form) if form is not None else json
        sent = ({"Content-Type": "application/json"} if json is not None else {}) | dict(headers or {})

        async def once() -> Answer:
            async with self._exchange(method, url, sent, body) as response:
                if response.status not in expect:
                    await self._explained(url, response)
                    self._check(url, response, is_json=False)
                    raise self._unavailable(url, f"answered status {response.status}")
                known = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, known, await self._body(url, response))

        return await self._repeated(url, once)

    @asynccontextmanager
    async def stream(self, url: URL, *, headers: Mapping[str, str]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The pieces of an answer of any length, as they arrive; one attempt, for the caller knows how far it came.

        Only the time between two pieces is limited, not the whole.
        """
        timeout = aiohttp.ClientTimeout(total=None, connect=self._limits.connect, sock_read=self._limits.total)
        try:
            async with self._exchange("GET", url, headers, None, timeout) as response:
                self._check(url, response, is_json=False)
                yield response.content.iter_chunked(_CHUNK)
        except _Passing as passing:
            raise passing.error from None

    async def _repeated(self, url: URL, once: Callable[[], Awaitable[T]]) -> T:
        """Do it until it succeeds or has been tried often enough."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await once()
            except RateLimited as error:
                if attempt >= self._limits.attempts:
                    raise
                self._window.pause(error.after or self._backoff(attempt))
            except _Passing as passing:
                if attempt >= self._limits.attempts:
                    raise passing.error from None
                await self._sleep(passing.error.after or self._backoff(attempt))
            except msgspec.ValidationError:
                raise self._unavailable(url, "answered JSON of another shape than documented") from None
            except msgspec.DecodeError:
                if attempt >= self._limits.attempts:
                    raise self._unavailable(url, "answered JSON that is cut or malformed") from None
                await self._sleep(self._backoff(attempt))

    async def _fetched(self, url: URL, decode: Callable[[bytes], T]) -> T:
        async with self._exchange("GET", url, {}, None) as response:
            await self._explained(url, response)
            self._check(url, response)
            body = await self._body(url, response)
        return decode(body)

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: aiohttp.FormData | bytes | None,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request and its answer, within origins and budget; what breaks on the way may pass."""
        if url.origin() not in self._origins:
            raise InvalidConfiguration("A request would leave the configured hosts", where="url")
        if self._session is None:
            raise RuntimeError("HttpClient is used outside its context")
        granted = await self._credential.headers() if self._credential is not None else {}
        options: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        shared = nullcontext() if self._seat is None else self._seat.request(self._place(url))
        async with self._places, self._window.slot(), shared:
            try:
                async with self._session.request(
                    method, url, allow_redirects=False, headers={**headers, **granted}, data=body, **options
                ) as response:
                    self.skew = self._skew(response.headers.get("Date", ""))
                    yield response
            except TimeoutError:
                raise _Passing(self._unavailable(url, "did not answer in time", fix=_UNREACHED)) from None
            except aiohttp.ClientPayloadError:
                raise _Passing(self._unavailable(url, "closed the connection within an answer")) from None
            except aiohttp.ClientError as error:
                raise _Passing(self._unavailable(url, f"cannot be reached ({_name(error)})", fix=_UNREACHED)) from None

    def _skew(self, date: str) -> float | None:
        """What an answer's ``Date`` (RFC 9110, to the second) tells; what was known stays where it tells nothing."""
        try:
            return parsedate_to_datetime(date).timestamp() - self._wall()
        except (ValueError, OverflowError):
            return self.skew

    async def _explained(self, url: URL, response: aiohttp.ClientResponse) -> None:
        """Raise what the peer says about a request it refuses, where it says something that can be read."""
        if self._explain is None or response.status not in range(400, 500) or response.status in (401, 403, 429):
            return
        error = self._explain(await self._body(url, response))
        if error is not None:
            error.refused = True
            raise error

    def _check(self, url: URL, response: aiohttp.ClientResponse, *, is_json: bool = True) -> None:
        status = response.status
        if status == 429:
            where, after = self._place(url), self._asked_wait(response.headers)
            raise RateLimited("The source says that its request budget is used up", where=where, after=after)
        if status >= 500:
            passing = _Passing(self._unavailable(url, f"answered status {status}"))
            passing.error.after = self._asked_wait(response.headers)
            raise passing
        if 300 <= status < 400:
            raise self._unavailable(url, f"answered a redirect (status {status}), which is not followed")
        if status in (401, 403):
            when = "from the next start on" if self._credential is None else COUNTS_FROM
            fix = f"Check that the credential is current and may read this; a new one counts {when}."
            # Where nothing was shown, nothing can be put right: a signed address, say, whose time is over.
            final = self._credential is None and "Authorization" not in self._headers
            refused = self._unavailable(url, f"refused the credential (status {status})", fix=fix, refused=final)
            if status == 401 and self._credential is not None and self._credential.refused():
                raise _Passing(refused)
            raise refused
        if status >= 400 or (is_json and status != 200):
            raise self._unavailable(url, f"answered status {status}", refused=status >= 400)
        kind = response.content_type.lower()
        if is_json and kind != "application/json" and not kind.endswith("+json"):
            named = kind if _MEDIA_TYPE.fullmatch(kind) else "something else"
            raise _Passing(self._unavailable(url, f"answered {named} instead of JSON"))

    async def _body(self, url: URL, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self._limits.max_bytes:
                raise self._unavailable(url, f"answered more than {self._limits.max_bytes} bytes")
        return bytes(body)

    def _asked_wait(self, headers: Mapping[str, str]) -> float | None:
        """Seconds the peer asks to wait, capped: X-RateLimit-Reset (a time) before Retry-After (a time or seconds)."""
        reset = headers.get("X-RateLimit-Reset", "")
        after = headers.get("Retry-After", "")
        seconds: float | None = None
        if re.fullmatch(r"\d{1,12}", reset, re.ASCII):
            seconds = int(reset) - self._wall()
        elif re.fullmatch(r"\d{1,9}", after, re.ASCII):
            seconds = float(after)
        elif after:
            try:
                seconds = parsedate_to_datetime(after).timestamp() - self._wall()
            except ValueError:
                seconds = None
        # A time named in whole seconds may be up to one second early; a past one is no advice.
        return None if seconds is None or seconds < 0 else min(seconds + 1.0, self._limits.pause_cap)

    def _backoff(self, attempt: int) -> float:
        return self._jitter() * min(self._limits.backoff_cap, self._limits.backoff * 2.0 ** (attempt - 1))

    def _unavailable(self, url: URL, what: str, *, fix: str = "", refused: bool = False) -> SourceUnavailable:
        error = SourceUnavailable(f"The source {what}", where=self._place(url), fix=fix)
        error.refused = refused
        return error

    def _place(self, url: URL) -> str:
        """Host and path without ids and query: enough to find the call, nothing about a patient."""
        return url.host or "" if self._secret_paths else f"{url.host}{_ID.sub('/*', url.path)}"


def _name(error: Exception) -> str:
    """What kind it is; its words may hold anything."""
    return type(error).__name__


class _Passing(Exception):
    """Worth another attempt; ``error`` is what the caller gets when there is none left."""

    def __init__(self, error: SourceUnavailable) -> None:
        super().__init__()
        self.error = error


def _origin(text: str) -> URL:
    try:
        origin = URL(text).origin()
    except ValueError:
        raise InvalidConfiguration("An origin is not a URL of the form https://host", where="origins") from None
    if origin.scheme == "https" or (origin.scheme == "http" and is_loopback(origin)):
        return origin
    raise InvalidConfiguration(
        "An origin must be https; plain http is allowed on loopback only", where="origins", fix="Use https://."
    )


def _guard(origins: Collection[URL], *, allow_private: bool) -> Guard:
    """Who sees that each origin leads where it may; an address that never may is refused at once."""
    hosts: dict[str, Reach] = {}
    for origin in origins:
        host = origin.raw_host or ""
        local = is_loopback(origin)
        reach = hosts[host] = Reach(public=not local, loopback=local, private=allow_private and not local)
        if re.fullmatch(r"[\d.]+|.*:.*", host, re.ASCII) and not reach.includes(host):
            raise InvalidConfiguration("This address is not public", where="origins", fix=_PRIVATE)
    return Guard(hosts, _PRIVATE)


def is_loopback(url: URL) -> bool:
    """Whether a URL names this machine itself by loopback address or by the name ``localhost``."""
    return url.host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", url.host or "") is not None
