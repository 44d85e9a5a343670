"""Parcels to an SFTP mailbox: one file each, put whole or not at all, over one connection per dispatch."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import RetryLater
from gateway.model.exchange import Ambiguous, Retry
from gateway.transport.sftp import SftpAccount, connected
from gateway_clearinghouse.sink import Parcel, Sent


class Mailbox:
    """The folder that a clearinghouse collects from. Replies lie in another one, which a source reads."""

    def __init__(self, account: SftpAccount, folder: str) -> None:
        self._account = account
        self._folder = folder

    async def send(self, parcels: Sequence[Parcel]) -> Sequence[Sent]:
        """Put each file; after one that broke off the rest is not tried."""
        results: list[Sent] = []
        try:
            async with connected(self._account) as session:
                for parcel in parcels:
                    try:
                        await session.put(self._folder, parcel.name, parcel.data)
                    except RetryLater as error:
                        results.append(Ambiguous(error.code))
                        break
                    results.append((f"sftp {parcel.name} {len(parcel.data)} bytes", b""))
        except RetryLater as error:
            results += [Retry(error.code, error.after)] * (len(parcels) - len(results))
        return results + [Retry("not-tried")] * (len(parcels) - len(results))

    async def find(self, parcel: Parcel) -> Sent:
        """Whether the whole file lies there.

        A mailbox emptied in the meantime looks as if it had never come: the file is sent again under the same control
        number, which the clearinghouse knows by then.
        """
        async with connected(self._account) as session:
            found = await session.look(self._folder, parcel.name)
        if found is not None and found.size == len(parcel.data):
            return f"sftp {parcel.name} {found.size} bytes", b""
        return Retry("not-there")

    async def close(self) -> None:
        """Nothing stays open between dispatches."""
