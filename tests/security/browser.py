"""A real browser for a test, spoken to by its DevTools protocol, with a security key that it simulates itself."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

ENVIRONMENT = "GATEWAY_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")
SECONDS = 15.0
_BEGINS = "DevTools listening on "
_VERIFYING = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


def found() -> str | None:
    """Where a Chromium is: what the environment names, or one on the path."""
    return os.environ.get(ENVIRONMENT) or next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._session = ""
        self._number = 0
        self.complaints: list[str] = []
        """What the browser itself held against the page: what its policy forbids, failures of its script."""

    async def begin(self) -> None:
        """Open an empty page with a security key that checks its person."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "WebAuthn"):
            await self.call(f"{domain}.enable")
        await self.call("WebAuthn.addVirtualAuthenticator", options=_VERIFYING)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser something; what it says meanwhile is looked through for complaints."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": params}
        await self._socket.send_json(asked | ({"sessionId": self._session} if self._session else {}))
        async with asyncio.timeout(SECONDS):
            while True:
                told = await self._socket.receive_json()
                if told.get("id") == self._number:
                    assert "error" not in told, told
                    return dict(told["result"])
                if told.get("method") in {"Log.entryAdded", "Runtime.exceptionThrown"}:
                    self.complaints.append(json.dumps(told["params"]))

    async def value(self, expression: str) -> Any:
        """What an expression comes to in the page."""
        told = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait for an expression to hold."""
        async with asyncio.timeout(SECONDS):
            while not await self.value(expression):
                await asyncio.sleep(0.02)


@asynccontextmanager
async def opened(program: str, folder: Path) -> AsyncIterator[Page]:
    """A browser with an empty profile, closed at the end."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # it cannot build one for root
    process = await asyncio.create_subprocess_exec(
        program, "--headless", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0",
        f"--user-data-dir={folder}", *sandbox, "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(SECONDS):
            line = ""
            while not line.startswith(_BEGINS):
                line = (await process.stderr.readline()).decode()
        draining = asyncio.create_task(process.stderr.read())
        async with aiohttp.ClientSession() as client, client.ws_connect(line.removeprefix(_BEGINS).strip()) as socket:
            page = Page(socket)
            await page.begin()
            yield page
        draining.cancel()
    finally:
        process.kill()
        await process.wait()
