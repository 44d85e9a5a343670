"""The mailbox: the files of a dispatch over one connection, each put whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import RetryLater
from gateway.model.exchange import Delivered, Delivery, Dispatch, Outcome, Retry
from gateway.transport.row_files import File, files_of, raw_files
from gateway.transport.sftp import SftpSession, connected
from gateway_sftp.config import SftpConfig


class Mailbox:
    """One route's folder at a partner's server."""

    def __init__(self, config: SftpConfig) -> None:
        self._config = config
        self.endpoint = f"{config.account.host}:{config.account.port}"

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Put the files of a dispatch; all of it happens, or all of it is to be tried again.

        A repeat leaves alone what is there already by name and size, so that nothing a partner is reading is replaced.
        """
        config = self._config
        receipts: dict[str, str] = {}
        raw: dict[str, str] = {}
        try:
            async with connected(config.account) as session:
                for type_name, file in files_of(dispatch, config.formats, config.columns):
                    await self._put(session, file)
                    receipts.setdefault(type_name, file.receipt)
                for key, file in raw_files(dispatch):
                    await self._put(session, file)
                    raw[key] = f" {file.receipt}"
        except RetryLater as error:
            return [Retry(error.code, error.after)] * len(dispatch.deliveries)
        return [Delivered(receipts[one.type] + raw.get(one.key, "")) for one in dispatch.deliveries]

    async def _put(self, session: SftpSession, file: File) -> None:
        """Put a file, unless it is there."""
        there = await session.look(self._config.folder, file.name)
        if there is None or there.size != len(file.body):
            await session.put(self._config.folder, file.name, file.body)

    async def probe(self, delivery: Delivery) -> Outcome:  # noqa: ARG002  # the contract's signature
        """A file is there or not, so nothing is ever ambiguous: putting it again settles it."""
        return Retry("put-again")

    async def close(self) -> None:
        """Nothing stays open between dispatches."""
