"""Wiring: offers the QuickBooks sink to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.books import ANSWER_LIMIT, Books
from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import SinkInfo
from gateway.settings import resolve_secret
from gateway.transport.egress import Egress
from gateway.transport.refresh_token import RefreshToken
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
        place = f"routes.{route}"
        egress = Egress(
            settings.origin(), allow_loopback=settings.allow_loopback, ca_file=settings.ca_file,
            timeout=settings.timeout, answer_limit=ANSWER_LIMIT, where=f"{place}.url",
        )  # fmt: skip
        issuer = Egress(
            settings.token_url, allow_loopback=settings.allow_loopback, ca_file=settings.ca_file,
            timeout=settings.timeout, where=f"{place}.token_url",
        )  # fmt: skip
        client = resolve_secret(settings.client_id), resolve_secret(settings.client_secret)
        token = RefreshToken(
            issuer, settings.token_file, client=client, first=resolve_secret(settings.refresh_token),
            where=f"{place}.token_file",
        )  # fmt: skip
        return Books(settings, QuickBooks(settings, egress, token))


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The QuickBooks sink."""
    return (QuickBooksSink(),)
