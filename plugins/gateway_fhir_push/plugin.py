"""Wiring: offers the FHIR sink to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import SinkInfo
from gateway_fhir_push.config import FhirPushConfig
from gateway_fhir_push.sink import Server


class FhirPushSink:
    """Writes records into a FHIR server."""

    info = SinkInfo(
        name="fhir-push",
        version="1",
        api=API_VERSION,
        summary="Resources in a FHIR R4 server (batch or transaction Bundles)",
        idempotency="native-key",
        residual_risk="A server that does not honour conditional writes may hold a resource twice when its answer is"
        " lost; by our id it cannot.",
        batch=50,
        linger=1.0,
        docs="docs/how-to/push-to-a-fhir-server.md",
    )
    config: type[BaseModel] = FhirPushConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Check keys and certificates; the first request is made with the first delivery."""
        del route  # what goes wrong names the server
        return Server(cast("FhirPushConfig", config))


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The FHIR sink."""
    return (FhirPushSink(),)
