"""Wiring: offers the journal file sink to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import SinkInfo
from gateway_ledgerfile.config import LedgerfileConfig
from gateway_ledgerfile.sink import JournalFolder


class LedgerfileSink:
    """Writes ledger entries to journal files."""

    info = SinkInfo(
        name="ledgerfile",
        version="1",
        api=API_VERSION,
        summary="Journals as CSV and IIF files in a folder",
        idempotency="native-key",
        residual_risk="A file that a person imports twice is booked twice; its journals carry the same numbers.",
        batch=500,
        linger=5.0,
    )
    config: type[BaseModel] = LedgerfileConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Make the folder when it is missing, read its list and take it for ``route`` alone."""
        return JournalFolder(route, cast("LedgerfileConfig", config))


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The journal file sink."""
    return (LedgerfileSink(),)
