"""The only I/O of this adapter: a folder that X12 files are dropped into, and a clearinghouse's mailbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gateway.errors import MalformedEnvelope
from gateway.model.exchange import Intake, Transport
from gateway.transport.file_drop import FileDrop, dropped, hand_in
from gateway.transport.polling import Poller, Rhythm
from gateway.transport.sftp import RemoteFile, SftpAccount
from gateway.transport.sftp_inbox import SftpInbox
from gateway.wire.x12_cut import cut
from gateway_x12.config import X12Config


def transports(name: str, config: X12Config) -> Sequence[Transport]:
    """The drop folder and the mailbox, as far as the source has them."""
    made: list[Transport] = []
    if config.folder is not None:
        made.append(Dropped(config, config.folder))
    if config.sftp is not None:
        made.append(Mailbox(name, config, config.sftp))
    return made


async def _store(intake: Intake, config: X12Config, pieces: Iterator[bytes]) -> None:
    """Store one file. A file brought in twice makes no second message: control ids and bytes repeat."""
    messages, _ = await hand_in(intake, cut(pieces, config.max_claim_bytes, config.acknowledge))
    if not messages:
        raise MalformedEnvelope(
            "no-message",
            "the file holds no message that can be read",
            fix="look into quarantine for what was found instead",
        )


class Dropped:
    """Takes files out of the folder."""

    def __init__(self, config: X12Config, folder: Path) -> None:
        self._config = config
        self._folder = folder

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Watch until cancelled."""

        async def handle(path: Path) -> None:
            await _store(intake, self._config, dropped(path))

        opened()
        await FileDrop(self._folder, self._config.patterns, handle, poll=self._config.poll_seconds).run()


class Mailbox:
    """Looks into the mailbox again and again; a file is put away only after its commit."""

    def __init__(self, name: str, config: X12Config, account: SftpAccount) -> None:
        self._name = name
        self._config = config
        self._account = account

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Poll until cancelled."""
        config = self._config

        async def handle(file: RemoteFile, pieces: Iterator[bytes]) -> None:
            del file  # what it is called says nothing
            await _store(intake, config, pieces)

        inbox = SftpInbox(
            "mailbox", self._account, config.sftp_folder, config.patterns, handle,
            after=config.after, archive=config.archive_folder, settle=config.settle_seconds,
        )  # fmt: skip
        opened()
        await Poller(self._name, [inbox], Rhythm(interval=config.mailbox_seconds)).run(intake)
