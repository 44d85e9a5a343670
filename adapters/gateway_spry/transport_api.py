"""The calls of the API that this adapter makes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
from yarl import URL

from gateway.errors import SourceUnavailable
from gateway.model.exchange import RateBudget
from gateway.transport.http import HttpClient, HttpLimits
from gateway_spry.config import SpryConfig
from gateway_spry.records import CalendarPage, opened, read_calendar, read_list
from gateway_spry.transport_token import ClientToken

CALENDAR = "/apis/v1/appointment/calendar/events"
CASE = "/apis/soap-enrichment/v1/patientCase"
AUTHORIZATION = "/apis/soap-enrichment/v1/authorization"


class Api:
    """The calls of one organisation over an open client."""

    def __init__(self, client: HttpClient, token: ClientToken, config: SpryConfig) -> None:
        self._client = client
        self._token = token
        self._config = config

    async def clinics(self) -> tuple[str, ...]:
        """The clinics to read."""
        found = self._config.clinics or await self._token.clinics()
        if not found:
            raise SourceUnavailable("The token names no clinic", where="clinics", fix="Set clinics in the source.")
        return found

    async def calendar(self, clinic: str, doctor: str, since: datetime, until: datetime, page: int) -> CalendarPage:
        """One page of one doctor's calendar at one clinic."""
        asked = {
            "start_date": stamp(since), "end_date": stamp(until), "doctor_id": doctor, "clinic_id": clinic,
            "practice_id": self._config.practice_id, "page": str(page), "size": str(self._config.page_size),
        }  # fmt: skip
        return await self._client.get(URL(f"{self._config.base_url}{CALENDAR}").with_query(asked), read_calendar)

    async def case(self, number: str) -> bytes | None:
        """One case; None when there is none of this id."""
        url = URL(f"{self._config.base_url}{CASE}") / number
        answer = await self._client.request("GET", url, expect={200, 404})
        try:
            return None if answer.status == 404 else opened(answer.body)
        except msgspec.DecodeError:
            raise SourceUnavailable("The source answered a case that cannot be read", where=CASE) from None

    async def authorizations(self, case: str) -> tuple[msgspec.Raw, ...]:
        """The authorizations of one case."""
        url = URL(f"{self._config.base_url}{AUTHORIZATION}").with_query(case_id=case)
        return await self._client.get(url, read_list)


@asynccontextmanager
async def connected(config: SpryConfig) -> AsyncIterator[Api]:
    """The API, with the configured client's token as credential."""
    budget = RateBudget(requests=config.requests_per_minute, seconds=60.0)
    limits = HttpLimits(attempts=config.retries + 1, total=config.timeout_seconds)
    async with HttpClient([config.base_url], budget=RateBudget(requests=10, seconds=60.0), limits=limits) as outside:
        token = ClientToken(config, outside)
        async with HttpClient([config.base_url], budget=budget, limits=limits, credential=token) as client:
            yield Api(client, token, config)


def utc_now() -> datetime:
    return datetime.now(UTC)


def stamp(at: datetime) -> str:
    """A time as the API reads it: UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
