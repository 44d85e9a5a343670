"""Wiring: offers the mllp sink to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import SinkInfo
from gateway_mllp.config import MllpConfig
from gateway_mllp.sink import Receiver, tls_context


class MllpSink:
    """Sends deliveries as HL7 v2 messages."""

    info = SinkInfo(
        name="mllp",
        version="1",
        api=API_VERSION,
        summary="HL7 v2.5.1 messages (ADT, SIU, DFT) over MLLP with TLS",
        idempotency="native-key",
        residual_risk="A receiver that does not compare MSH-10 may act twice when its answer is lost; one that does "
        "not compare FT1-2 may post a charge again when its visit changes.",
        batch=64,
    )
    config: type[BaseModel] = MllpConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Read the certificates; the first connection is made with the first delivery."""
        settings = cast("MllpConfig", config)
        return Receiver(settings, tls_context(settings, f"routes.{route}.config"))


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The mllp sink."""
    return (MllpSink(),)
