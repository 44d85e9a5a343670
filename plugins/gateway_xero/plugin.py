"""Wiring: offers the Xero sink to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.books import Books, connected
from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import SinkInfo
from gateway_xero.config import XeroConfig
from gateway_xero.sink import Xero


class XeroSink:
    """Books ledger entries as manual journals."""

    info = SinkInfo(
        name="xero",
        version="1",
        api=API_VERSION,
        summary="Manual journals in Xero",
        idempotency="probe",
        residual_risk="A journal whose narration somebody changed in Xero is not found when it is looked for.",
        batch=10,
        linger=2.0,
    )
    config: type[BaseModel] = XeroConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Check the addresses and take the token file; the first request is made with the first delivery."""
        settings = cast("XeroConfig", config)
        egress, token = connected(route, settings, url=settings.url, token_url=settings.token_url)
        return Books(settings, Xero(settings, egress, token))


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The Xero sink."""
    return (XeroSink(),)
