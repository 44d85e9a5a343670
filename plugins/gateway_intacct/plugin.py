"""Wiring: offers the Intacct sink to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.books import ANSWER_LIMIT, Books
from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import SinkInfo
from gateway.settings import resolve_secret
from gateway.transport.egress import Egress
from gateway_intacct.config import IntacctConfig
from gateway_intacct.sink import Intacct
from gateway_intacct.translate import Identity


class IntacctSink:
    """Books ledger entries as general ledger batches."""

    info = SinkInfo(
        name="intacct",
        version="1",
        api=API_VERSION,
        summary="General ledger batches in Sage Intacct",
        idempotency="probe",
        residual_risk="A batch whose reference somebody changed in Intacct is not found when it is looked for.",
        batch=10,
        linger=2.0,
    )
    config: type[BaseModel] = IntacctConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Check the address and read the secrets; the first request is made with the first delivery."""
        settings = cast("IntacctConfig", config)

        def egress(url: str) -> Egress:
            return Egress(
                url, allow_loopback=settings.allow_loopback, ca_file=settings.ca_file, timeout=settings.timeout,
                answer_limit=ANSWER_LIMIT, where=f"routes.{route}.url",
            )  # fmt: skip

        identity = Identity(
            settings.sender_id, resolve_secret(settings.sender_password), settings.company, settings.user,
            resolve_secret(settings.password), settings.entity,
        )  # fmt: skip
        return Books(settings, Intacct(settings, identity, egress))


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The Intacct sink."""
    return (IntacctSink(),)
