"""Wiring: offers the QuickBooks sink to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.books import Books, connected
from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import SinkInfo
from gateway_quickbooks.config import QuickBooksConfig
from gateway_quickbooks.sink import QuickBooks


class QuickBooksSink:
    """Books ledger entries as journal entries."""

    info = SinkInfo(
        name="quickbooks",
        version="1",
        api=API_VERSION,
        summary="Journal entries in QuickBooks Online",
        idempotency="probe",
        residual_risk="A journal whose number somebody changed in QuickBooks is not found when it is looked for.",
        batch=30,
        linger=2.0,
    )
    config: type[BaseModel] = QuickBooksConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Check the addresses and take the token file; the first request is made with the first delivery."""
        settings = cast("QuickBooksConfig", config)
        egress, token = connected(route, settings, url=settings.origin(), token_url=settings.token_url)
        return Books(settings, QuickBooks(settings, egress, token))


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The QuickBooks sink."""
    return (QuickBooksSink(),)
