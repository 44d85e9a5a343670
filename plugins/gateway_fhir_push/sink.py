"""One server: Bundles one after another, so that what is ordered arrives in order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from yarl import URL

from gateway.errors import RetryLater
from gateway.model.exchange import HELD, Delivered, Delivery, Dispatch, Outcome, RateBudget, Retry
from gateway.transport.http import HttpClient, HttpLimits
from gateway.transport.smart import Token, letters, tls, token_endpoint
from gateway_fhir_push.config import FhirPushConfig
from gateway_fhir_push.translate import answers, bundle, outcome, rounds, unfit, whole

ANSWER_BYTES = 16 * 2**20
_TYPE = {"Accept": "application/fhir+json", "Content-Type": "application/fhir+json", "Prefer": "return=minimal"}
_READ = frozenset({200, 201, 400, 404, 405, 409, 410, 412, 413, 422})
"""Statuses whose answer says something of the writes."""


class Server:
    """One route's server."""

    def __init__(self, config: FhirPushConfig) -> None:
        self._config = config
        self._tls = tls(config)
        self.endpoint = str(URL(config.base_url).origin())
        self._stack: AsyncExitStack | None = None
        self._http: HttpClient | None = None

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Write the deliveries; what follows a write that did not happen, of the same order, is held."""
        config, given = self._config, dispatch.deliveries
        told: dict[int, Outcome] = {}
        blocked: set[str] = set()
        for places in rounds(given, together=config.bundle == "transaction"):
            going: list[int] = []
            for place in places:
                one = given[place]
                done = HELD if one.order in blocked else unfit(one, config)
                if done is None:
                    going.append(place)
                else:
                    told[place] = done
            told |= dict(zip(going, await self._written([given[place] for place in going]), strict=True))
            blocked |= {given[place].order for place in places if not isinstance(told[place], Delivered)}
        return [told[place] for place in range(len(given))]

    async def _written(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """One Bundle; where it is refused as a whole, each write alone, so that one bad one stops no other."""
        if not deliveries:
            return []
        config = self._config
        try:
            http = self._http or await self._open()
            answer = await http.request(
                "POST", URL(config.base_url), expect=_READ, headers=_TYPE, json=bundle(deliveries, config)
            )
        except RetryLater as error:
            return [Retry(error.code, error.after)] * len(deliveries)
        found = answers(answer.body, len(deliveries)) if answer.status in (200, 201) else None
        if found is not None:
            return [outcome(one, said, config) for one, said in zip(deliveries, found, strict=True)]
        if answer.status in (200, 201):
            return [Retry("unclear-answer")] * len(deliveries)
        if len(deliveries) == 1:
            return [outcome(deliveries[0], whole(answer.status, answer.body), config)]
        return await self._singly(deliveries)

    async def _singly(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        blocked: set[str] = set()
        for one in deliveries:
            result = HELD if one.order in blocked else (await self._written([one]))[0]
            outcomes.append(result)
            if not isinstance(result, Delivered):
                blocked.add(one.order)
        return outcomes

    async def _open(self) -> HttpClient:
        config = self._config
        async with AsyncExitStack() as stack:
            token = None
            if config.asks_for_tokens:
                plain = await stack.enter_async_context(self._client(self.endpoint))
                endpoint, found = await token_endpoint(plain, config, config.base_url)
                asking = await stack.enter_async_context(self._client(str(endpoint.origin())))
                scopes = config.scopes or (f"system/*.{letters(found, 'cud', 'write')}",)
                token = Token(asking, config, endpoint, scopes)
            self._http = await stack.enter_async_context(self._client(self.endpoint, token))
            self._stack = stack.pop_all()
        return self._http

    def _client(self, origin: str, token: Token | None = None) -> HttpClient:
        """A client that tries once: when to try again is the route's to say."""
        config = self._config
        return HttpClient(
            [origin], budget=RateBudget(requests=config.requests_per_minute, seconds=60.0), tls=self._tls,
            limits=HttpLimits(attempts=1, total=config.timeout_seconds, max_bytes=ANSWER_BYTES),
            credential=token, allow_private=config.allow_private,
        )  # fmt: skip

    async def probe(self, delivery: Delivery) -> Outcome:
        """Every write may be repeated, so writing again is the probe."""
        return (await self.deliver(Dispatch(id=delivery.key, route="", deliveries=(delivery,))))[0]

    async def close(self) -> None:
        """Close every connection."""
        self._http = None
        if self._stack is not None:
            stack, self._stack = self._stack, None
            await stack.aclose()
