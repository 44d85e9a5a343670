"""The poller of one server: finds out what it offers, gets a token, and keeps every type current that it can give.

The parts: ``transport_discovery`` reads what the server offers, ``transport_search``
and ``transport_bulk`` bring resources, ``transport_hook`` takes what the server sends.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
import structlog
from yarl import URL

from gateway.errors import InvalidConfiguration, RetryLater, SourceUnavailable
from gateway.model.exchange import Intake, RateBudget, Transport
from gateway.transport.http import HttpClient, HttpLimits
from gateway.transport.polling import PolledStream, Poller, Rhythm
from gateway.transport.smart import Token, tls, token_endpoint
from gateway_fhir.config import FhirConfig
from gateway_fhir.records_bundle import outcome
from gateway_fhir.transport_bulk import Exports
from gateway_fhir.transport_discovery import Plan, discover, scopes
from gateway_fhir.transport_search import ChangedResources
from gateway_fhir.transport_sweep import sweeps

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_JSON = {"Accept": "application/fhir+json"}
_PAUSE, _LONGEST = 5.0, 900.0


class ServerTransport:
    """Runs until cancelled; a server that is down is asked again and again."""

    def __init__(self, name: str, config: FhirConfig) -> None:
        self._name, self._config = name, config

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Raises ``InvalidConfiguration`` for keys, certificates and servers that a person must put right."""
        context = tls(self._config)
        base = str(URL(self._config.base_url or "").origin())
        opened()
        async with client([base], self._config, context=context) as open_client:
            plan = await self._until_found(open_client)
            self._tell(plan)
            if not self._config.asks_for_tokens:
                await self._poll(open_client, plan, intake)
                return
            endpoint, smart = await self._patiently(
                lambda: token_endpoint(open_client, self._config, self._config.base_url or "")
            )
        types = (*plan.search, *plan.export)
        async with client([str(endpoint.origin())], self._config, context=context) as tokens:
            token = Token(tokens, self._config, endpoint, scopes(self._config, smart, types))
            async with client([base], self._config, context=context, credential=token) as granted:
                await self._poll(granted, plan, intake)

    async def _poll(self, granted: HttpClient, plan: Plan, intake: Intake) -> None:
        streams: list[PolledStream] = [
            ChangedResources(type, granted, self._config, lambda: datetime.now(UTC)) for type in plan.search
        ]
        if plan.export:
            streams.append(Exports(plan.export, granted, self._config))
        rhythm = Rhythm(interval=self._config.poll_seconds)
        await Poller(self._name, streams, rhythm, sweeps=sweeps(plan, granted, self._config)).run(intake)

    async def _until_found(self, open_client: HttpClient) -> Plan:
        plan = await self._patiently(lambda: discover(open_client, self._config))
        if not plan.search and not plan.export:
            raise InvalidConfiguration(
                "The server offers none of the configured types in a way that can be kept current",
                where=f"sources.{self._name}.config", fix="`gateway fhir discover` shows what it offers.",
            )  # fmt: skip
        return plan

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer; the log gets one line, however long it takes."""
        pause = _PAUSE
        while True:
            try:
                return await ask()
            except RetryLater as error:
                if pause == _PAUSE:
                    _log.warning("source down", source=self._name, stream="discovery", code=error.code, what=error.what)
                await asyncio.sleep(max(error.after or 0.0, pause * random.random()))  # noqa: S311 - spreads requests
                pause = min(pause * 2, _LONGEST)

    def _tell(self, plan: Plan) -> None:
        """Say once what the server lacks: nobody should wait for data that cannot come."""
        for type, why in plan.missing.items():
            _log.warning("capability missing", source=self._name, stream=type, reason=why)


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
        headers=_JSON,
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


def transports(name: str, config: FhirConfig) -> Sequence[Transport]:
    """The poller, where a server is configured that is to be asked."""
    if config.base_url is None or config.stay_current == "hooks":
        return []
    return [ServerTransport(name, config)]
