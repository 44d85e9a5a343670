"""The poller of one server: finds out what it offers, gets a token, and keeps every type current that it can give.

The parts: ``transport_discovery`` reads what the server offers, ``transport_search``
and ``transport_bulk`` bring resources, ``transport_hook`` takes what the server sends.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TypeVar

import structlog
from yarl import URL

from gateway.errors import InvalidConfiguration, RetryLater
from gateway.model.exchange import Intake, Transport
from gateway.transport.http import HttpClient
from gateway.transport.polling import PolledStream, Poller, Rhythm
from gateway.transport.smart import Token, tls, token_endpoint
from gateway_fhir.config import FhirConfig
from gateway_fhir.records_notice import WATCHED
from gateway_fhir.transport_bulk import Exports
from gateway_fhir.transport_client import client
from gateway_fhir.transport_discovery import Plan, discover, scopes
from gateway_fhir.transport_search import ChangedResources
from gateway_fhir.transport_subscribe import reading_scopes
from gateway_fhir.transport_sweep import sweeps
from gateway_fhir.transport_watch import Watch

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_PAUSE, _LONGEST = 5.0, 900.0


class ServerTransport:
    """Runs until cancelled; a server that is down is asked again and again."""

    def __init__(self, name: str, config: FhirConfig) -> None:
        self._name, self._config = name, config

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Raises ``InvalidConfiguration`` for keys, certificates and servers that a person must put right."""
        context = tls(self._config)
        places = [str(URL(one).origin()) for one in (self._config.base_url or "", *self._config.file_servers)]
        opened()
        async with client(places, self._config, context=context) as open_client:
            plan = await self._until_found(open_client)
            self._tell(plan)
            if not self._config.asks_for_tokens:
                watch = [self._watch(open_client, plan)] if self._watches(plan) else []
                await self._poll(open_client, open_client, plan, intake, watch)
                return
            endpoint, smart = await self._patiently(
                lambda: token_endpoint(open_client, self._config, self._config.base_url or "")
            )
            async with AsyncExitStack() as held:
                tokens = await held.enter_async_context(client([str(endpoint.origin())], self._config, context=context))

                async def having(token: Token) -> HttpClient:
                    return await held.enter_async_context(
                        client(places, self._config, context=context, credential=token)
                    )

                wanted = scopes(self._config, smart, (*plan.search, *plan.export))
                granted = await having(Token(tokens, self._config, endpoint, wanted))
                watch = []
                if self._watches(plan):
                    seen = reading_scopes(self._config, smart)
                    token = Token(tokens, self._config, endpoint, seen)
                    watch.append(self._watch(await having(token), plan, token, seen))
                await self._poll(granted, open_client, plan, intake, watch)

    def _watches(self, plan: Plan) -> bool:
        """Whether there may be Subscriptions of ours, and the server shows them."""
        wanted = self._config.hook_secret is not None and self._config.watch_seconds > 0
        return wanted and plan.subscriptions.offers("search-type")

    def _watch(self, seeing: HttpClient, plan: Plan, token: Token | None = None, wanted: Sequence[str] = ()) -> Watch:
        events = plan.subscriptions.tells_events
        return Watch(self._name, seeing, self._config, events=events, token=token, wanted=wanted)

    async def _poll(
        self, granted: HttpClient, open_client: HttpClient, plan: Plan, intake: Intake, watch: Sequence[Watch]
    ) -> None:
        streams: list[PolledStream] = [
            ChangedResources(type, granted, self._config, lambda: datetime.now(UTC)) for type in plan.search
        ]
        if plan.export:
            streams.append(Exports(plan.export, granted, self._config, files=open_client))
        rhythm, paces = Rhythm(interval=self._config.poll_seconds), {WATCHED: self._config.watch_seconds}
        lists = sweeps(plan, granted, self._config)
        await Poller(self._name, [*streams, *watch], rhythm, sweeps=lists, paces=paces).run(intake)

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


def transports(name: str, config: FhirConfig) -> Sequence[Transport]:
    """The poller, where a server is configured that is to be asked."""
    if config.base_url is None or config.stay_current == "hooks":
        return []
    return [ServerTransport(name, config)]
