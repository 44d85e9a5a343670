"""The only I/O of this adapter: asks each list for what changed since the last look.

Strategy. The API filters by ``updated_at`` and does not show it, so the cursor is our own clock at the start of the
last whole reading, less an overlap, and less the time by which the vendor's clock is late. Pages are asked for in the
order of creation: a row that changes while they are read can only push others to later pages, where they are read
twice, and never out of them. A reading that is broken off goes on at the page it had reached.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import msgspec
from yarl import URL

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.model.exchange import Intake, Item, RateBudget
from gateway.transport.http import Answer, HttpClient, HttpLimits
from gateway.transport.polling import Poller, Rhythm
from gateway.wire.json_decoder import decoder
from gateway_jane.config import JaneConfig
from gateway_jane.records import KINDS, Context, Page, Row, read_page
from gateway_jane.transport_tokens import Identity, TokenFile, Tokens

VERSION = "/api/2026-01-01"
_FRESH = timedelta(minutes=15)
_MARGIN = timedelta(seconds=1)
_MOST_SEEN = 5000
"""Digests remembered; what is not is stored once more and changes nothing."""


class _Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a list was read: what changed before ``since`` is here; ``after`` is a reading that goes on.

    ``seen`` holds digests by id of the last whole reading, ``found`` those of the one that goes on: the overlap is read
    again each time, and an item that returns to an earlier state is told from one that merely is read again.
    """

    since: str | None = None
    begun: str | None = None
    after: str | None = None
    seen: dict[str, str] = {}
    found: dict[str, str] = {}


class _Company(msgspec.Struct, frozen=True):
    time_zone: str | None = None


class _Treatment(msgspec.Struct, frozen=True):
    name: str | None = None


_cursor = decoder(_Cursor)
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
        if kind in ("appointments", "locations") and rows and (stale or not wanted <= self._treatments.keys()):
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
        return lambda row: Context(kind, self._treatments.get(row.treatment or "", ""), self._zone)


class ChangedItems:
    """The stream of one list."""

    def __init__(self, kind: str, api: Api, config: JaneConfig, now: Callable[[], datetime]) -> None:
        self.name = kind
        self._api = api
        self._config = config
        self._now = now

    async def poll(self, intake: Intake) -> None:
        """Bring in what changed; the cursor goes to the core with the items of each page."""
        kept = await intake.cursor(self.name)
        cursor = _cursor(kept) if kept else _Cursor()
        begun = cursor.begun or stamp(self._now())
        url = (
            self._api.following(self.name, cursor.after)
            if cursor.after
            else self._api.first(self.name, await self._since(cursor))
        )
        asked: set[URL] = set()
        found = dict(cursor.found)
        while True:
            if url in asked or len(asked) >= self._config.most_pages:
                await self._keep(intake, [], Page([], [], None), _Cursor(since=cursor.since, seen=cursor.seen))
                raise SourceUnavailable("The source's next links loop or do not end", where=self.name)
            asked.add(url)
            page = await self._api.page(url)
            told = await self._api.context(self.name, page.rows)
            items = [row.item(told(row), look=begun) for row in page.rows if cursor.seen.get(row.id) != row.digest]
            if cursor.since is not None and len(found) < _MOST_SEEN:
                found |= {row.id: row.digest for row in page.rows}
            if page.after is None:
                await self._keep(intake, items, page, _Cursor(since=begun, seen=found))
                return
            going = msgspec.structs.replace(cursor, begun=begun, after=page.after, found=found)
            await self._keep(intake, items, page, going)
            url = self._api.following(self.name, page.after)

    async def _keep(self, intake: Intake, items: list[Item], page: Page, cursor: _Cursor) -> None:
        text = msgspec.json.encode(cursor).decode()
        await intake.accept(items, stream=self.name, cursor=text, findings=page.findings)

    async def _since(self, cursor: _Cursor) -> datetime | None:
        if cursor.since is None:
            return self._config.changed_since
        back = timedelta(seconds=self._config.overlap_seconds + await self._api.late())
        return datetime.fromisoformat(cursor.since) - back - _MARGIN


class ClinicTransport:
    """Polls all lists of one clinic until cancelled."""

    def __init__(self, name: str, config: JaneConfig) -> None:
        if config.clinic is None or config.client_id is None or config.client_secret is None:
            raise InvalidConfiguration(
                "Polling needs the clinic's address and the partner's client",
                where=f"sources.{name}.config",
                fix="Set clinic, client_id and client_secret, then run `gateway jane connect`.",
            )
        self._name, self._config = name, config

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Raises ``InvalidConfiguration`` when the consent is for another clinic or its file is open to others."""
        config = self._config
        async with identity_client(config) as outside, api_client(config, outside) as client:
            api = Api(client, config, utc_now)
            streams = [ChangedItems(kind, api, config, utc_now) for kind in KINDS]
            opened()
            await Poller(self._name, streams, Rhythm(interval=config.poll_seconds)).run(intake)


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
