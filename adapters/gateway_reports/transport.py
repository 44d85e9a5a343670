"""The only I/O of this adapter: a folder that reports are dropped into, and uploads over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.errors import RejectMessage
from gateway.model.exchange import Finding, Intake
from gateway.transport.file_drop import FileDrop, dropped, hand_in
from gateway.transport.uploads import Uploads, uploads
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
                await bring(intake, await asyncio.to_thread(lambda: whole(dropped(path))), self._config, path.name)
            except RejectMessage as error:  # beside the note in the folder, the quarantine tells of it too
                await intake.accept([], findings=[refused(error)])
                raise

        opened()
        await FileDrop(self._folder, self._config.patterns, handle, poll=max(self._config.settle_seconds, 0.05)).run()


def receiver(config: ReportsConfig) -> Uploads | None:
    """The receiver of uploads, where a token is set."""

    async def taken(intake: Intake, data: bytes, name: str) -> tuple[int, int]:
        return await bring(intake, data, config, name)

    return uploads(config.upload_token, taken)
