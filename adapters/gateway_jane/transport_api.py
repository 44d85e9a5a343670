"""The calls of the API that this adapter makes, and its clients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from msgspec import Struct
from yarl import URL

from gateway.errors import SourceUnavailable
from gateway.model.exchange import RateBudget
from gateway.transport.http import Answer, HttpClient, HttpLimits
from gateway.wire.json_decoder import decoder
from gateway_jane.config import JaneConfig
from gateway_jane.records import Context, Page, Row, read_page
from gateway_jane.transport_tokens import Identity, TokenFile, Tokens

VERSION = "/api/2026-01-01"
PLACED = ("appointments", "locations")
"""Lists whose rows mean something else in another time zone."""
_FRESH = timedelta(minutes=15)


class _Company(Struct, frozen=True):
    time_zone: str | None = None


class _Treatment(Struct, frozen=True):
    name: str | None = None


_company = decoder(_Company)
_treatment = decoder(_Treatment)


class Api:
    """One clinic's lists over an open client, and the words behind ids of treatments."""

    def __init__(self, client: HttpClient, config: JaneConfig, now: Callable[[], datetime]) -> None:
        self._client = client
        self._config = config
        self._now = now
        self._base = f"{config.clinic}{VERSION}"
        self._zone = ""
        self._treatments: dict[str, str] = {}
        self._read_at: datetime | None = None

    async def late(self) -> float:
        """Seconds by which the vendor's clock is late; 0 when it is early, which only makes the overlap longer."""
        if self._client.skew is None:
            await self._client.get(URL(f"{self._base}/company"), _company)
        return max(0.0, -(self._client.skew or 0.0))

    def first(self, kind: str, since: datetime | None) -> URL:
        """The first page of what changed since a time, or of everything."""
        query = [f"page%5Blimit%5D={self._config.per_page}", "sort=created_at"]
        if since is not None:
            query.append(f"updated_at%5Bgte%5D={quote(stamp(since), safe='')}")
        return URL(f"{self._base}/{kind}?{'&'.join(query)}", encoded=True)

    def following(self, kind: str, link: str) -> URL:
        """The page behind a link, which must stay on the same list."""
        base = URL(f"{self._base}/{kind}")
        try:
            url = base.join(URL(link, encoded=True))
            own = url.origin() == base.origin() and url.path == base.path and url.user is None
        except ValueError:
            own = False
        if not link.startswith("/") or not own:
            raise SourceUnavailable("The source's next link leads to another place", where=kind)
        return url

    async def page(self, url: URL) -> Page:
        """One page."""
        return await self._client.get(url, read_page)

    async def one(self, kind: str, id: str) -> Answer:
        """One item by its id, or the answer that there is none."""
        return await self._client.request("GET", URL(f"{self._base}/{kind}/{quote(id, safe='')}"), expect={200, 404})

    async def context(self, kind: str, rows: list[Row]) -> Callable[[Row], Context]:
        """What the messages of some rows need beside them; looked up again when old or a treatment is not known."""
        wanted = {row.treatment for row in rows if row.treatment}
        stale = self._read_at is None or self._now() - self._read_at > _FRESH
        if kind in PLACED and rows and (stale or not wanted <= self._treatments.keys()):
            company = await self._client.get(URL(f"{self._base}/company"), _company)
            self._zone = company.time_zone or ""
            url: URL | None = self.first("treatments", None)
            for _ in range(self._config.most_pages):
                if url is None:
                    break
                page = await self.page(url)
                self._treatments |= {row.id: _treatment(row.body).name or "" for row in page.rows}
                url = self.following("treatments", page.after) if page.after else None
            self._treatments |= dict.fromkeys(wanted - self._treatments.keys(), "")
            self._read_at = self._now()
        zone = self._zone if kind in PLACED else ""  # other rows read the same, whichever list was read first
        return lambda row: Context(kind, self._treatments.get(row.treatment or "", ""), zone)


def identity_client(config: JaneConfig) -> HttpClient:
    """A client for the identity provider."""
    return HttpClient([config.identity], budget=RateBudget(requests=30, seconds=60.0), limits=_limits(config))


def api_client(config: JaneConfig, outside: HttpClient) -> HttpClient:
    """A client for the clinic, with its consent as credential.

    One budget under 100 a minute keeps both of the vendor's: 100 per endpoint, and 600 in five minutes for all.
    """
    clinic = str(config.clinic)
    tokens = Tokens(TokenFile(config.token_file), Identity(config, outside), clinic)
    budget = RateBudget(requests=config.requests_per_minute, seconds=60.0)
    return HttpClient([clinic], budget=budget, limits=_limits(config), credential=tokens)


def utc_now() -> datetime:
    return datetime.now(UTC)


def stamp(at: datetime) -> str:
    """A time as the API reads it: UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _limits(config: JaneConfig) -> HttpLimits:
    return HttpLimits(attempts=config.retries + 1, total=config.timeout_seconds)
