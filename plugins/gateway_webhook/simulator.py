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
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from aiohttp import web

Fault = Literal["late", "reset", "drop", "error", "busy", "gone", "redirect", "reject"]
"""Done, answered late. Done, then reset. Reset before anything is done. Done, then 500. 429. 410. 302. 422."""

TOLERANCE = 300
"""Seconds a request's timestamp may lie from now."""


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request that was acted on or recognised as a repeat."""

    id: str
    digest: str
    type: str
    record: str = ""
    version: int = 0
    repeat: bool = False


class Counts(msgspec.Struct, frozen=True):
    """What the ledger says."""

    effects: int
    repeats: int
    conflicts: int
    """Repeats whose body was another one: the sender broke its word."""
    refused: int
    """Requests without a valid signature, since the start; they leave no trace."""


class Ledger:
    """Append-only lines, synced in groups."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b")
        self._file.seek(0)
        whole, _, _ = self._file.read().rpartition(b"\n")
        self.lines = [msgspec.json.decode(line, type=Line) for line in whole.splitlines()]
        self._file.truncate(len(whole) + 1 if whole else 0)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._flush: asyncio.Task[None] | None = None

    async def add(self, line: Line) -> None:
        """Keep one line; returns when it is on disk."""
        self.lines.append(line)
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((msgspec.json.encode(line) + b"\n", done))
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._write())
        await asyncio.shield(done)

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._sync, b"".join(line for line, _ in group))
            except OSError as error:
                for _, done in group:
                    done.set_exception(error)
            else:
                for _, done in group:
                    done.set_result(None)

    def _sync(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Receiver:
    """An endpoint on this machine.

    Args:
        ledger: file of the ledger; what it holds already counts.
        secrets: signing secrets it accepts, ``whsec_`` and base64.
    """

    def __init__(self, ledger: Path, secrets: Sequence[str]) -> None:
        self._keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
        self._ledger = Ledger(ledger)
        self._seen: dict[str, str] = {}
        for line in self._ledger.lines:
            self._seen.setdefault(line.id, line.digest)
        self._faults: deque[tuple[Fault, float]] = deque()
        self._refused = 0
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
        fault, seconds = self._faults.popleft() if self._faults else (None, 0.0)
        if not self._verified(request, body):
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

    async def _act(self, id: str, body: bytes) -> None:
        """The effect, once per id: a line in the ledger."""
        event: dict[str, Any] = msgspec.json.decode(body)
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
