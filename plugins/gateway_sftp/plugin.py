"""Wiring: offers the SFTP sink to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import SinkInfo
from gateway_sftp.config import SftpConfig
from gateway_sftp.sink import Mailbox


class SftpSink:
    """Puts deliveries as NDJSON and CSV files into a mailbox."""

    info = SinkInfo(
        name="sftp",
        version="1",
        api=API_VERSION,
        summary="NDJSON and CSV files in a partner's SFTP mailbox",
        idempotency="native-key",
        residual_risk="A file taken away before its receipt was stored comes once more, with the same name and bytes.",
        batch=2000,
        raw=True,
        linger=5.0,
        docs="docs/how-to/feed-billing.md",
    )
    config: type[BaseModel] = SftpConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Take the settings; a connection is made for each dispatch and closed after it."""
        del route  # what goes wrong names the server's folder
        return Mailbox(cast("SftpConfig", config))


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The SFTP sink."""
    return (SftpSink(),)
