"""Books: what a sink into a bookkeeping system does whatever the system is.

Journals are posted, each under its number. What may have happened is looked up by that number before it is tried
again, and a reversal is posted only where the journal that it takes back is found.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Literal, Protocol

import aiohttp
from pydantic import Field

from gateway.chart import Chart, Journal, journal
from gateway.errors import RetryLater, SourceUnavailable
from gateway.model.exchange import HELD, Ambiguous, Delivered, Delivery, Dispatch, Outcome, Retry
from gateway.secret import Secret, resolve_secret
from gateway.transport.egress import Answer, Egress
from gateway.transport.refresh_token import RefreshToken

ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes of an answer that are read: a batch repeats what was sent."""
UNAUTHORIZED_WAIT = 3600.0
"""Seconds until a credential that was refused is tried again: a person has to act."""
LONGEST_WAIT = 86_400.0
"""Seconds: a system that names a later time is asked again after a day."""


class AccessByRefreshToken(Chart):
    """Settings of a route into a system that hands out refresh tokens, beside its chart of accounts."""

    client_id: Secret = Field(description="Reference to the app's client id.")
    client_secret: Secret = Field(description="Reference to the app's client secret.")
    refresh_token: Secret = Field(description="Reference to the refresh token that the connection began with.")
    token_file: Path = Field(description="File for the newest refresh token; the system gives new ones as it is used.")
    timeout: float = Field(default=30.0, gt=0, le=110, description="Seconds for one request and its answer.")
    allow_loopback: bool = Field(
        default=False, description="Whether a simulator on this machine may be reached, without TLS too."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )


def connected(route: str, settings: AccessByRefreshToken, *, url: str, token_url: str) -> tuple[Egress, RefreshToken]:
    """The way to the API at ``url`` and its token; addresses are checked, and nothing is asked yet."""
    place = f"routes.{route}"
    egress = Egress(
        url, allow_loopback=settings.allow_loopback, ca_file=settings.ca_file, timeout=settings.timeout,
        answer_limit=ANSWER_LIMIT, where=f"{place}.url",
    )  # fmt: skip
    issuer = Egress(
        token_url, allow_loopback=settings.allow_loopback, ca_file=settings.ca_file,
        timeout=settings.timeout, where=f"{place}.token_url",
    )  # fmt: skip
    client = resolve_secret(settings.client_id), resolve_secret(settings.client_secret)
    first = resolve_secret(settings.refresh_token)
    return egress, RefreshToken(issuer, settings.token_file, client=client, first=first, where=f"{place}.token_file")


class System(Protocol):
    """One bookkeeping system."""

    async def post(self, journals: Sequence[Journal]) -> Sequence[Outcome]:
        """Book journals, one outcome each in order."""

    async def find(self, number: str, day: date) -> str | None:
        """The system's own id of a journal; None when it has none of this number.

        Raises:
            RetryLater: it cannot be said now.
        """

    async def close(self) -> None:
        """Let go of connections and files."""


class Books:
    """One route into a bookkeeping system."""

    def __init__(self, chart: Chart, system: System) -> None:
        self._chart = chart
        self._system = system

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Book the dispatch's entries; of one entry, only one change goes with a dispatch, the next one waits."""
        outcomes: dict[str, Outcome] = {}
        ready: list[tuple[Delivery, Journal]] = []
        blocked: set[str] = set()
        for one in dispatch.deliveries:
            made = HELD if one.order in blocked else await self._prepare(one)
            if isinstance(made, Journal):
                ready.append((one, made))
                blocked.add(one.order)
                continue
            outcomes[one.key] = made
            if not isinstance(made, Delivered):
                blocked.add(one.order)
        results = await self._system.post([each for _, each in ready]) if ready else ()
        outcomes |= {one.key: result for (one, _), result in zip(ready, results, strict=True)}
        return [outcomes[one.key] for one in dispatch.deliveries]

    async def _prepare(self, one: Delivery) -> Journal | Outcome:
        made = journal(one, self._chart)
        if not isinstance(made, Journal) or not made.reverses:
            return made
        try:
            first = await self._system.find(made.reverses, made.day)
        except RetryLater as error:
            return Retry(error.code, error.after)
        return made if first is not None else Delivered("nothing to reverse: it was never booked")

    async def probe(self, delivery: Delivery) -> Outcome:
        """Whether a journal of this delivery's number is in the books."""
        made = journal(delivery, self._chart)
        if not isinstance(made, Journal):
            return made
        try:
            found = await self._system.find(made.number, made.day)
        except RetryLater as error:
            return Ambiguous(error.code)
        return Retry("not-booked") if found is None else receipt(made, found)

    async def close(self) -> None:
        """Let go of the system."""
        await self._system.close()


def receipt(one: Journal, id: str) -> Delivered:
    """It is in the books."""
    return Delivered(f"{one.number} {id}")


async def exchange(
    egress: Egress, method: Literal["GET", "POST"], target: str, headers: Mapping[str, str], body: bytes | None = None
) -> Answer | Retry | Ambiguous:
    """One exchange; what broke off may have happened, and so may what a server says that it failed at (5xx)."""
    try:
        answer = await egress.send(method, target, headers, body)
    except RetryLater:
        return Retry("address-not-public")
    except aiohttp.ClientConnectorError:
        return Retry("no-connection")
    except (aiohttp.ClientError, TimeoutError, OSError):
        return Ambiguous("connection-broken")
    if answer.status == 429:
        return Retry("rate-limited", asked_wait(answer.headers))
    if answer.status >= 500 or not answer.whole:
        return Ambiguous(f"http-{answer.status}")
    return answer


def asked_wait(headers: Mapping[str, str], otherwise: float = 60.0) -> float:
    """Seconds that a 429 asks to wait."""
    text = headers.get("retry-after", "")
    return min(float(text), LONGEST_WAIT) if text.isdecimal() and len(text) < 8 else otherwise


def unanswered(result: Retry | Ambiguous, where: str) -> SourceUnavailable:
    """The error of a look-up that got no answer."""
    after = result.after if isinstance(result, Retry) else None
    return SourceUnavailable(f"The books cannot be read ({result.reason})", where=where, after=after)


async def signed_in(
    token: RefreshToken, call: Callable[[str], Awaitable[Answer | Retry | Ambiguous]]
) -> Answer | Retry | Ambiguous:
    """The answer to ``call`` with an access token; one that is refused (401) is replaced once."""
    refused = ""
    for _ in range(2):
        try:
            bearer = await token.bearer(refused)
        except RetryLater as error:
            return Retry(error.code, error.after)
        answer = await call(bearer)
        if not isinstance(answer, Answer) or answer.status != 401:
            return answer
        refused = bearer
    return Retry("unauthorized", UNAUTHORIZED_WAIT)
