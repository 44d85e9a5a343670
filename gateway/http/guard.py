"""The door: every request passes it before anything reads a byte, and every answer before it leaves.

A request's body is read whole, within its limit and its time, before the room behind is asked, so no handler meets a
slow or endless sender. Whatever fails behind leaves as a plain 500 without a word of the failure; the log gets its type
and place, never its text.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from gateway.http.fhir import FHIR, FHIR_JSON, refused_as
from gateway.http.proxies import Proxies
from gateway.wire.fhir import encode

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_BYTES = 256 * 1024
"""The largest request to anything but a hook."""
BODY_SECONDS = 20.0
SMALL_BYTES = 64 * 1024
"""Of a body, for which there is always room while it arrives; what is more shares ``LARGE_BYTES``."""
LARGE_BYTES = 64 * 2**20
"""The room for large bodies that arrive at one time."""
URL_BYTES = 8192
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
"""Hooks included: a FHIR server's rest-hook puts and deletes; each receiver refuses what its system does not use."""
HOOKS = "/hooks/"
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_STORE = (b"cache-control", b"no-store")
_TLS = (b"strict-transport-security", b"max-age=31536000")

CROWDED = "Too many requests at one time; try again shortly."

log = structlog.get_logger(__name__)


class Refusal(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status
        self.what = what


class Guard:
    """Wraps the whole application.

    Args:
        app: what answers.
        hook_bytes: the largest request to a hook.
        secure: whether callers reach it over TLS.
        proxies: whose word on who asks is believed.
        most: how many requests may be under way: those whose bodies are here.
    """

    def __init__(self, app: App, *, hook_bytes: int, secure: bool, proxies: Proxies, most: int) -> None:
        self._app = app
        self._hook_bytes = hook_bytes
        self._headers = (*_HEADERS, _TLS) if secure else _HEADERS
        self._proxies = proxies
        self._most = most
        self._under_way = 0
        self._large = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        started = False

        async def outward(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": self._dressed(message.get("headers", ()))}
            await send(message)

        try:
            self._look(scope)
            body = await self._body(scope, receive)
            if scope.get("client"):
                scope = {**scope, "client": (self._proxies.client(scope["client"][0], scope["headers"]), 0)}
            await self._answer(scope, _replayed(body, receive), outward)
        except Refusal as refusal:
            await _refuse(outward, scope["path"], refusal.status, refusal.what)
        except Exception as error:  # noqa: BLE001 - the door: no failure behind it may tell its text to anybody
            _note(error)
            if not started:
                await _refuse(outward, scope["path"], 500, "The gateway failed at this request; its log says where.")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the room behind answer. A slow sender has no place among those that are counted here."""
        if self._under_way >= self._most:
            raise Refusal(503, CROWDED)
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1

    def _limit(self, scope: Scope) -> int:
        return self._hook_bytes if scope["path"].startswith(HOOKS) else BODY_BYTES

    def _look(self, scope: Scope) -> None:
        if scope["method"] not in METHODS:
            raise Refusal(405, f"Allowed here: {', '.join(sorted(METHODS))}.")
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > URL_BYTES:
            raise Refusal(414, f"An address has at most {URL_BYTES} bytes.")

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, or a refusal as soon as it is too long or too slow, or all that arrives is too much."""
        most = self._limit(scope)
        refusal = Refusal(413, f"A request here has at most {most} bytes.")
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > most):
                raise refusal
        body = bytearray()
        large = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal(400, "The sender went away.")
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise refusal
                    grown = max(len(body) - SMALL_BYTES, 0) - large
                    large += grown
                    self._large += grown
                    if grown and self._large > LARGE_BYTES:
                        raise Refusal(503, CROWDED)
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise Refusal(408, f"The body did not arrive within {BODY_SECONDS:.0f} seconds.") from None
        finally:
            self._large -= large

    def _dressed(self, headers: Any) -> list[tuple[bytes, bytes]]:
        held = list(headers)
        names = {name.lower() for name, _ in held}
        extra = self._headers if b"cache-control" in names else (*self._headers, _STORE)
        return held + [pair for pair in extra if pair[0] not in names]


def _replayed(body: bytes, receive: Receive) -> Receive:
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _refuse(send: Send, path: str, status: int, what: str) -> None:
    """Say no: in words, and to a client of the facade as an OperationOutcome."""
    fhir = path.startswith(f"{FHIR}/")
    body = encode(refused_as(status, what)) if fhir else what.encode()
    form = FHIR_JSON.encode() if fhir else b"text/plain; charset=utf-8"
    headers = [(b"content-type", form), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    if status in {408, 413}:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _note(error: Exception) -> None:
    """Type and place of a failure; its text may hold anything."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.error("request-failed", error=type(error).__name__, what=f"{frame.filename.rpartition('/')[2]}:{frame.lineno}")
