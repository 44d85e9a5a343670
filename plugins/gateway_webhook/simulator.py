"""A receiver of Standard Webhooks with a memory of its own: what tests, the demo and integrators post to.

It checks signatures by its own reading of the specification, acts on each ``webhook-id`` once, and writes every request
into a ledger that it syncs before it answers. The ledger is the judge of fault tests: it survives a kill of either side
and tells effects, repeats and repeats with another body apart. Faults are switched on one request at a time.

Run alone: ``WEBHOOK_SECRET=whsec_... python -m gateway_webhook.simulator LEDGER [PORT]``.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import os
import secrets
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from aiohttp import web

from gateway_webhook.simulator_ledger import Ledger, Line

Fault = Literal["late", "reset", "drop", "error", "busy", "gone", "redirect", "reject"]
"""Done, answered late. Done, then reset. Reset before anything is done. Done, then 500. 429. 410. 302. 422."""

TOLERANCE = 300
"""Seconds a request's timestamp may lie from now."""


class Counts(msgspec.Struct, frozen=True):
    """What the ledger says."""

    effects: int
    repeats: int
    conflicts: int
    """Repeats whose body was another one: the sender broke its word."""
    refused: int
    """Requests without a valid signature, since the start; they leave no trace."""


class Receiver:
    """An endpoint on this machine.

    Args:
        ledger: file of the ledger; what it holds already counts.
        keys: signing secrets it accepts, ``whsec_`` and base64.
    """

    def __init__(self, ledger: Path, keys: Sequence[str]) -> None:
        self._keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in keys]
        self._ledger = Ledger(ledger)
        self._seen: dict[str, str] = {}
        for line in self._ledger.lines:
            self._seen.setdefault(line.id, line.digest)
        self._faults: deque[tuple[Fault, float]] = deque()
        self.recurring: tuple[str, ...] = ()
        """Faults that hit one request in ten, in turn."""
        self._numbers = itertools.count(1)
        self._refused = 0
        self.authorization = ""
        """What every request must show as ``Authorization``; anything will do while it is empty."""
        self._runner: web.AppRunner | None = None

    @property
    def lines(self) -> Sequence[Line]:
        """Every request in the ledger, oldest first."""
        return self._ledger.lines

    @property
    def counts(self) -> Counts:
        """What happened, by the ledger."""
        repeats = [line for line in self.lines if line.repeat]
        conflicts = sum(line.digest != self._seen[line.id] for line in repeats)
        return Counts(len(self.lines) - len(repeats), len(repeats), conflicts, self._refused)

    def fail(self, fault: Fault, times: int = 1, seconds: float = 1.0) -> None:
        """Let the next requests suffer ``fault``; ``seconds`` is the delay of ``late`` and the wait of ``busy``."""
        self._faults.extend([(fault, seconds)] * times)

    async def start(self, port: int = 0) -> str:
        """Listen on the loopback interface; gives the URL."""
        app = web.Application()
        app.router.add_post("/hook", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"

    async def close(self) -> None:
        """Stop listening and close the ledger."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._ledger.close()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        fault, seconds = self._faults.popleft() if self._faults else (self._recurs(), 1.0)
        shown = request.headers.get("authorization", "")
        if not self._verified(request, body) or self.authorization not in {"", shown}:
            self._refused += 1
            return web.Response(status=401)
        match fault:
            case "drop":
                return self._reset(request)
            case "busy":
                return web.Response(status=429, headers={"retry-after": f"{seconds:.0f}"})
            case "gone":
                return web.Response(status=410)
            case "reject":
                return web.Response(status=422)
            case "redirect":
                return web.Response(status=302, headers={"location": "/elsewhere"})
        await self._act(request.headers["webhook-id"], body)
        match fault:
            case "late":
                await asyncio.sleep(seconds)
            case "reset":
                return self._reset(request)
            case "error":
                return web.Response(status=500)
        return web.Response(status=202, headers={"x-request-id": f"seen-{len(self.lines)}"})

    def _recurs(self) -> str | None:
        tens, rest = divmod(next(self._numbers), 10)
        return self.recurring[tens % len(self.recurring)] if self.recurring and not rest else None

    async def _act(self, id: str, body: bytes) -> None:
        """The effect, once per id: a line in the ledger."""
        event: dict[str, Any] = msgspec.json.decode(body) if body else {"type": "", "data": {"id": "", "version": 0}}
        digest = hashlib.sha256(body).hexdigest()
        repeat = id in self._seen
        self._seen.setdefault(id, digest)
        data = event["data"]
        await self._ledger.add(Line(id, digest, event["type"], data["id"], data["version"], repeat))

    def _verified(self, request: web.Request, body: bytes) -> bool:
        id, sent = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        if not id or not sent.isdecimal() or abs(time.time() - int(sent)) > TOLERANCE:
            return False
        signatures = request.headers.get("webhook-signature", "").encode("utf-8", "surrogateescape").split()
        content = f"{id}.{sent}.".encode("utf-8", "surrogateescape") + body
        wanted = [b"v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)) for key in self._keys]
        return any(hmac.compare_digest(one, other) for one in wanted for other in signatures)

    def _reset(self, request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)


class _Endpoint:
    """The receiver as ``gateway simulate`` runs it, with a new secret and a ledger that goes with it."""

    name = "webhook"
    summary = "A receiver of Standard Webhooks that acts on each id once."
    faults: Mapping[str, str] = {
        "late": "answers after a second",
        "reset": "acts, then resets the connection",
        "drop": "resets the connection before it acts",
        "error": "acts, then answers 500",
        "busy": "answers 429",
        "reject": "answers 422",
    }

    async def serve(
        self, *, host: str, port: int, seed: int, clinic_size: int, faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:  # fmt: skip
        """Receive until cancelled; the faults hit one request in ten, in turn."""
        del host, seed, clinic_size  # it has no clinic, and listens on the loopback always
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode("ascii")
        with tempfile.TemporaryDirectory(prefix="receiver-") as place:
            receiver = Receiver(Path(place) / "ledger.ndjson", [secret])
            receiver.recurring = tuple(faults)
            try:
                opened({"url": await receiver.start(port), "secrets": secret, "allow_loopback": "true"})
                await asyncio.Event().wait()
            finally:
                await receiver.close()


SIMULATORS = (_Endpoint(),)


async def _serve(ledger: Path, port: int) -> None:
    receiver = Receiver(ledger, os.environ["WEBHOOK_SECRET"].split())
    sys.stdout.write(f"{await receiver.start(port)}\n")
    sys.stdout.flush()
    try:
        await asyncio.Event().wait()
    finally:
        await receiver.close()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8099))
