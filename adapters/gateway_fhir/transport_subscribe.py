"""Our Subscriptions at a server: whether it takes them, and making, listing and ending them.

A request to make one is sent once, for a server that did it and whose answer was lost would make a second one; whoever
asks again finds the first.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
from yarl import URL

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.transport.http import HttpClient
from gateway.transport.smart import SmartConfiguration, Token, lacking, letters, tls, token_endpoint
from gateway_fhir.config import FhirConfig
from gateway_fhir.records_subscription import Asked, Subscription, subscription
from gateway_fhir.transport_client import client
from gateway_fhir.transport_discovery import Capabilities, Served, capabilities
from gateway_fhir.transport_search import answer, same_server

_TYPE = "Subscription"
_FORM = {"Content-Type": "application/fhir+json"}
_MOST_PAGES = 50
_ID = re.compile(rf"{_TYPE}/([A-Za-z0-9.\-]{{1,64}})")
_LOOK = 0.5


def reading_scopes(config: FhirConfig, found: SmartConfiguration) -> tuple[str, ...]:
    """What is needed to see our Subscriptions; another gateway shows them to whoever may read anything."""
    if config.profile == "gateway":
        return ("system/*.rs",)
    return (f"system/{_TYPE}.{letters(found, 'rs', 'read')}",)


def writing_scopes(config: FhirConfig, found: SmartConfiguration) -> tuple[str, ...]:
    """What is needed to make and end them as well."""
    if config.profile == "gateway":
        return ("system/*.rs",)
    if letters(found, "rs", "read") == "rs":
        return (f"system/{_TYPE}.crds",)
    return (f"system/{_TYPE}.read", f"system/{_TYPE}.write")


def takes(found: Capabilities, topic: str = "") -> Served:
    """What the server says about Subscriptions.

    Raises:
        InvalidConfiguration: it takes none, or none of this topic.
    """
    served = found.served().get(_TYPE)
    if served is None or not served.offers("create"):
        lack = "does not serve Subscriptions" if served is None else "declares no create of Subscriptions"
        raise InvalidConfiguration(
            f"The server {lack}", where="/metadata",
            fix="Ask its operator how it notifies; polling keeps everything current meanwhile.",
        )  # fmt: skip
    if topic and served.topics and topic not in served.topics:
        raise InvalidConfiguration(
            "The server does not list this topic", where="--topic", fix=f"It lists {', '.join(served.topics[:20])}."
        )
    return served


@asynccontextmanager
async def admitted(config: FhirConfig, open_client: HttpClient) -> AsyncIterator[HttpClient]:
    """A client with a token for Subscriptions.

    Raises:
        InvalidConfiguration: the token that we get does not reach so far.
    """
    once = config.model_copy(update={"retries": 0})
    context, base = tls(config), str(URL(config.base_url or "").origin())
    if not config.asks_for_tokens:
        async with client([base], once, context=context) as known:
            yield known
        return
    endpoint, smart = await token_endpoint(open_client, config, config.base_url or "")
    wanted = writing_scopes(config, smart)
    async with client([str(endpoint.origin())], config, context=context) as tokens:
        token = Token(tokens, config, endpoint, wanted)
        try:
            await token.headers()
        except SourceUnavailable as error:
            error.fix = f"{error.fix} What is asked for here is {' '.join(wanted)}."
            raise
        missing = lacking(wanted, token.granted or "")
        if missing:
            raise InvalidConfiguration(
                f"The server grants us no {' '.join(missing)}", where="scopes",
                fix="Ask its operator to allow that to our client_id.",
            )  # fmt: skip
        async with client([base], once, context=context, credential=token) as known:
            yield known


@asynccontextmanager
async def opened(config: FhirConfig) -> AsyncIterator[tuple[Capabilities, HttpClient]]:
    """What the server offers, and a client without a token."""
    base = str(URL(config.base_url or "").origin())
    async with client([base], config, context=tls(config)) as open_client:
        yield await capabilities(open_client, config), open_client


async def listed(client: HttpClient, config: FhirConfig) -> list[Subscription]:
    """Every Subscription that the server shows us."""
    base = URL(config.base_url or "")
    url: URL | None = base / _TYPE
    found: list[Subscription] = []
    for _ in range(_MOST_PAGES):
        if url is None:
            return found
        page = await client.get(url, answer)
        try:
            found += [subscription(one.body) for one in page.items if one.kind == _TYPE]
        except msgspec.DecodeError:
            raise SourceUnavailable("The server shows a Subscription that cannot be read", where=_TYPE) from None
        url = same_server(page.bundle.next, base, _TYPE) if page.bundle.next else None
    raise SourceUnavailable("The server's list of Subscriptions does not end", where=_TYPE)


async def make(client: HttpClient, config: FhirConfig, asked: Asked, secret: str) -> str:
    """Ask for one; its id."""
    url = URL(config.base_url or "") / _TYPE
    try:
        answer = await client.request(
            "POST", url, expect=(200, 201), headers=_FORM, json=msgspec.json.encode(asked.resource(secret))
        )
    except SourceUnavailable as error:
        error.fix = error.fix or "The server may not allow this endpoint or content: ask its operator."
        raise
    place = answer.headers.get("location", "") or answer.headers.get("content-location", "")
    found = _ID.search(place)
    if found is not None:
        return found[1]
    try:
        return subscription(answer.body).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SourceUnavailable("The server made a Subscription and does not say which", where=_TYPE) from None


async def settled(client: HttpClient, config: FhirConfig, id: str, seconds: float) -> Subscription:
    """It, once the server has decided about it, or as it is after so many seconds: a handshake takes its time."""
    url = URL(config.base_url or "") / _TYPE / id
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        found = await client.get(url, subscription)
        if found.status != "requested" or loop.time() >= until:
            return found
        await asyncio.sleep(_LOOK)


async def end(client: HttpClient, config: FhirConfig, ids: Sequence[str]) -> None:
    """Delete them; those that are gone already are well."""
    for id in ids:
        url = URL(config.base_url or "") / _TYPE / id
        await client.request("DELETE", url, expect=(200, 202, 204, 404, 410))
