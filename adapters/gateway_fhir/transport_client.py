"""The HTTP client of one server within the configured limits; what its OperationOutcomes say as errors of ours."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import msgspec

from gateway.errors import SourceUnavailable
from gateway.model.exchange import RateBudget
from gateway.transport.http import HttpClient, HttpLimits
from gateway.transport.smart import Token
from gateway_fhir.config import FhirConfig
from gateway_fhir.records_bundle import outcome

_ASKS = {"Accept": "application/fhir+json, application/json;q=0.9", "Cache-Control": "no-cache"}
"""HAPI answers a search that it was asked within the last minute as it did then, unless it is told not to."""


def client(
    origins: Sequence[str],
    config: FhirConfig,
    *,
    context: ssl.SSLContext | None = None,
    credential: Token | None = None,
) -> HttpClient:
    """An HTTP client within the configured limits."""
    return HttpClient(
        origins,
        budget=RateBudget(requests=config.requests_per_minute, seconds=60.0),
        headers=_ASKS,
        limits=HttpLimits(attempts=config.retries + 1, total=config.timeout_seconds, max_bytes=config.max_bundle_bytes),
        credential=credential,
        tls=context,
        explain=refusal,
        allow_private=config.allow_private,
    )


def refusal(body: bytes) -> SourceUnavailable | None:
    """The first error of an OperationOutcome as one of ours: type and element, never the server's own text."""
    try:
        found = outcome(body).findings()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return SourceUnavailable(found[0].what, where=found[0].where, fix=found[0].fix) if found else None
