"""The only I/O of this adapter: a folder that bank files are dropped into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.errors import MalformedEnvelope
from gateway.model.exchange import Intake, Transport
from gateway.transport.file_drop import FileDrop, dropped, hand_in
from gateway_bank.config import BankConfig
from gateway_bank.records import cut


def transports(config: BankConfig) -> Sequence[Transport]:
    """The drop folder, when the source has one."""
    return [] if config.folder is None else [Dropped(config, config.folder)]


class Dropped:
    """Takes files out of the folder; a file brought in twice makes no second message."""

    def __init__(self, config: BankConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Watch until cancelled."""

        async def handle(path: Path) -> None:
            messages, findings = await hand_in(intake, cut(dropped(path)))
            if not messages and findings:
                raise MalformedEnvelope(
                    "no-line", "the file holds no line that can be read", fix="look into quarantine"
                )

        opened()
        await FileDrop(self._folder, self._config.patterns, handle, poll=self._config.poll_seconds).run()
