"""The only I/O of this adapter: a folder that reports are dropped into, and uploads over HTTP."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from pathlib import Path

import msgspec

from gateway.errors import RejectMessage, RetryLater
from gateway.model.exchange import Finding, HookRequest, HookResponse, Intake
from gateway.settings import resolve_secret
from gateway.transport.file_drop import FileDrop, chunks, hand_in
from gateway_reports.config import ReportsConfig
from gateway_reports.records import open_file, rows, whole


async def bring(intake: Intake, data: bytes, config: ReportsConfig, name: str) -> tuple[int, int]:
    """Store what one report holds; returns how many messages and findings.

    Raises ``MalformedEnvelope`` when it is no report, listing the columns that are missing.
    """
    opened = await asyncio.to_thread(open_file, data, config, name)
    return (0, 0) if opened is None else await hand_in(intake, rows(opened))


def refused(error: RejectMessage) -> Finding:
    """What is told of a file that is no report."""
    return Finding(reason=error.reason, what=error.what, where=error.where, fix=error.fix)


class Dropped:
    """Takes reports out of a folder."""

    def __init__(self, config: ReportsConfig, folder: Path) -> None:
        self._config, self._folder = config, folder

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Watch until cancelled."""

        async def handle(path: Path) -> None:
            try:
                await bring(intake, await asyncio.to_thread(lambda: whole(chunks(path))), self._config, path.name)
            except RejectMessage as error:  # beside the note in the folder, the quarantine tells of it too
                await intake.accept([], findings=[refused(error)])
                raise

        opened()
        await FileDrop(self._folder, self._config.patterns, handle, poll=max(self._config.settle_seconds, 0.05)).run()


class Uploads:
    """Receives reports as the bodies of POST requests; what follows the source's name in the address is a file name."""

    def __init__(self, config: ReportsConfig, token: str) -> None:
        self._config = config
        self._expected = f"Bearer {token}".encode()

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """200 with counts once stored; 401, 405; 400, 413 or 422 with the reason; 503 while nothing can be stored."""
        shown = request.headers.get("authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(shown, self._expected):
            return HookResponse(status=401)
        if request.method != "POST":
            return HookResponse(status=405)
        try:
            messages, findings = await bring(intake, request.body, self._config, request.path)
        except RejectMessage as error:
            return HookResponse(status=error.http_status, body=f"{error.reason}: {error}\n".encode())
        except RetryLater as error:
            return HookResponse(status=error.http_status)
        answer = msgspec.json.encode({"rows": messages, "findings": findings})
        return HookResponse(status=200, body=answer, content_type="application/json")


def uploads(config: ReportsConfig) -> Uploads | None:
    """The receiver, where a token is set."""
    return Uploads(config, resolve_secret(config.upload_token)) if config.upload_token is not None else None
