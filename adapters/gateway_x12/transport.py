"""The only I/O of this adapter: a folder that X12 files are dropped into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.errors import MalformedEnvelope
from gateway.model.exchange import Intake, Transport
from gateway.transport.file_drop import FileDrop, chunks, hand_in
from gateway.wire.x12_cut import cut
from gateway_x12.config import X12Config


def transports(config: X12Config) -> Sequence[Transport]:
    """The drop folder, when the source has one."""
    return [] if config.folder is None else [Dropped(config, config.folder)]


class Dropped:
    """Takes files out of the folder. A file brought in twice makes no second message: control ids and bytes repeat."""

    def __init__(self, config: X12Config, folder: Path) -> None:
        self._config = config
        self._folder = folder

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Watch until cancelled."""

        async def handle(path: Path) -> None:
            messages, _ = await hand_in(intake, cut(chunks(path), self._config.max_claim_bytes))
            if not messages:
                raise MalformedEnvelope(
                    "no-message",
                    "the file holds no message that can be read",
                    fix="look into quarantine for what was found instead",
                )

        opened()
        await FileDrop(self._folder, self._config.patterns, handle, poll=self._config.poll_seconds).run()
