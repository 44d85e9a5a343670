"""The only I/O of this adapter: asks each list for what changed since the cursor, oldest change first.

Strategy. Pages of an offset-paged list shift while rows change, and a shifted row would be missed for good. So every
page is the first page of a new question, ``updated_at >= newest time seen``, and what was read twice is dropped. Only
when one second holds more rows than a page is that second read by following ``links.next``, and its count compared
with ``total_entries``. The cursor goes to the core with the items it covers, and only as far as the answers were
sound: in order, complete by their own count, and not in the future.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from msgspec import Struct
from yarl import URL

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.model.exchange import Intake, Item, RateBudget
from gateway.settings import resolve_secret
from gateway.transport.http import HttpClient, HttpLimits
from gateway.transport.polling import Poller, Rhythm
from gateway_cliniko.config import ClinikoConfig
from gateway_cliniko.records import Page, Row, read_page, stamp

_SHARD = re.compile(r"[a-z]{2}\d{1,2}", re.ASCII | re.IGNORECASE)
_COUNT = "announces another number of items than it gives"
_IDS_PER_REQUEST = 50
_SHOWN = ("archived_at:*", "deleted_at:*", "cancelled_at:*")


class ListOf(Struct, frozen=True):
    """One list of the API; ``show`` switches off the hiding of rows where the list offers those filters."""

    stream: str
    path: str
    kind: str
    show: tuple[str, ...] = ()


APPOINTMENTS = ListOf("individual_appointments", "individual_appointments", "individual_appointments", _SHOWN)
ATTENDEES = ListOf("attendees", "attendees", "attendees", _SHOWN)
LISTS = (
    ListOf("businesses", "businesses", "businesses", _SHOWN[:2]),
    ListOf("practitioners", "practitioners", "practitioners"),
    ListOf("inactive_practitioners", "practitioners/inactive", "practitioners"),
    ListOf("patients", "patients", "patients", _SHOWN[:1]),
    APPOINTMENTS,
    ATTENDEES,
)


class Api:
    """The lists of one account over an open client."""

    def __init__(self, client: HttpClient, base: str, per_page: int) -> None:
        self._client = client
        self._base = base
        self._per_page = per_page

    def url(self, source: ListOf, filters: Iterable[str]) -> URL:
        """The first page of a question."""
        query = [f"q%5B%5D={quote(text, safe='')}" for text in (*filters, *source.show)]
        query += [f"per_page={self._per_page}", "sort=updated_at"]
        return URL(f"{self._base}/v1/{source.path}?{'&'.join(query)}", encoded=True)

    async def page(self, source: ListOf, url: URL) -> Page:
        """One page, with ``next`` checked to stay on the same list."""
        page = await self._client.get(url, lambda body: read_page(body, source.kind))
        if page.next is not None and not _same_list(page.next, url):
            raise SourceUnavailable("The source's next link leads to another place", where=source.path)
        return page

    async def pages(self, source: ListOf, filters: Iterable[str], most: int) -> AsyncIterator[Page]:
        """All pages of a question by its next links; raises when they loop, do not end or do not add up."""
        url: URL | None = self.url(source, filters)
        visited: set[URL] = set()
        ids: set[str] = set()
        unreadable = 0
        while url is not None:
            if url in visited or len(visited) >= most:
                raise SourceUnavailable("The source's next links loop or do not end", where=source.path)
            visited.add(url)
            page = await self.page(source, url)
            ids.update(row.id for row in page.rows)
            unreadable += len(page.findings)
            yield page
            url = URL(page.next) if page.next is not None else None
        if len(ids) + unreadable != page.total:
            raise SourceUnavailable(f"The source {_COUNT}", where=source.path)

    async def appointments(self, bookings: Sequence[str]) -> dict[str, Row]:
        """Individual appointments by id, hidden ones included; ids of group classes have none."""
        found: dict[str, Row] = {}
        for start in range(0, len(bookings), _IDS_PER_REQUEST):
            wanted = bookings[start : start + _IDS_PER_REQUEST]
            async for page in self.pages(APPOINTMENTS, [f"id:={','.join(wanted)}"], most=_IDS_PER_REQUEST):
                found.update((row.id, row) for row in page.rows)
        return found


class ChangedRows:
    """The stream of one list: polls it from the committed cursor on."""

    def __init__(self, source: ListOf, api: Api, config: ClinikoConfig, now: Callable[[], datetime]) -> None:
        self.name = source.stream
        self._list = source
        self._api = api
        self._config = config
        self._now = now
        self._overlap = timedelta(seconds=config.overlap_seconds)
        self._committed: datetime | None = None
        self._seen: dict[bytes, datetime] = {}

    async def poll(self, intake: Intake) -> None:
        """Bring in what changed; raises ``SourceUnavailable`` when the answers are not sound."""
        cursor = await intake.cursor(self.name)
        self._committed = datetime.fromisoformat(cursor) if cursor else None
        since = self._first()
        for _ in range(self._config.most_pages):
            page = await self._api.page(self._list, self._api.url(self._list, _from(since)))
            times = [row.updated_at for row in page.rows]
            last = times[-1] if times else since
            doubt = self._doubt(page, times, since)
            await self._accept(intake, page, None if doubt else last)
            if doubt:
                raise SourceUnavailable(f"The source {doubt}", where=self._list.path)
            if page.next is None:
                return
            if since is not None and last == since:
                since = await self._crowded_second(intake, since)
            else:
                since = last

    @staticmethod
    def _doubt(page: Page, times: list[datetime], since: datetime | None) -> str:
        """Why the cursor may not follow this page; empty when its order and counts are sound."""
        if times != sorted(times) or (since and times and times[0] < since):
            return "ignores the order or filter asked for"
        if page.next is not None:
            return "" if times else "names a next page after one without readable items"
        return "" if page.total == len(times) + len(page.findings) else _COUNT

    async def _crowded_second(self, intake: Intake, second: datetime) -> datetime:
        """Read one second that fills a page or more, all of it; the next question begins after it."""
        after = second + timedelta(seconds=1)
        filters = [*_from(second), f"updated_at:<{stamp(after)}"]
        async for page in self._api.pages(self._list, filters, self._config.most_pages):
            await self._accept(intake, page, None)
        await self._accept(intake, Page([], [], 0, None), after)
        return after

    def _first(self) -> datetime | None:
        """Where the first question of a poll begins; None asks for everything."""
        if self._committed is not None:
            return self._committed - self._overlap
        if self._list is ATTENDEES:  # appointments themselves say who arrived until now; attendees tell what is later
            return self._now().replace(microsecond=0) - timedelta(days=1)
        return self._config.changed_since.astimezone(UTC) if self._config.changed_since else None

    async def _accept(self, intake: Intake, page: Page, reached: datetime | None) -> None:
        """Hand over what is new together with the cursor; only what was stored is remembered as seen."""
        rows = {_digest(row.body): row for row in page.rows}
        findings = {_digest(found.body): found for found in page.findings}
        items = await self._items([row for key, row in rows.items() if key not in self._seen])
        fresh = [found for key, found in findings.items() if key not in self._seen]
        now = self._now().replace(microsecond=0)
        moved = reached and min(reached, now)  # a row dated in the future must not hide what happens until then
        if moved is not None and self._committed is not None and moved <= self._committed:
            moved = None
        if items or fresh or moved is not None:
            cursor = stamp(moved) if moved is not None else None
            await intake.accept(items, stream=self.name, cursor=cursor, findings=fresh)
        self._committed = moved or self._committed
        self._seen |= {key: row.updated_at for key, row in rows.items()} | dict.fromkeys(findings, now)
        if self._committed is not None:
            oldest = self._committed - self._overlap
            self._seen = {key: at for key, at in self._seen.items() if at >= oldest}

    async def _items(self, rows: Sequence[Row]) -> list[Item]:
        """The messages of some rows; an attendee, who arrived or did not, brings the appointment as it is now."""
        if self._list is not ATTENDEES:
            return [row.item(self._list.kind) for row in rows]
        found = await self._api.appointments(list(dict.fromkeys(row.booking for row in rows if row.booking)))
        return [
            found[row.booking].item(APPOINTMENTS.kind, stream=f"attendees:{row.id}:{stamp(row.updated_at)}")
            for row in rows
            if row.booking in found
        ]


class AccountTransport:
    """Polls all lists of one account until cancelled."""

    def __init__(self, name: str, config: ClinikoConfig) -> None:
        if config.api_key is None or config.contact_email is None:
            what = "Polling needs an API key and an address for the vendor's questions"
            raise InvalidConfiguration(what, where=f"sources.{name}.config", fix="Set api_key and contact_email.")
        self._name, self._config, self._key = name, config, config.api_key

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Raises ``InvalidConfiguration`` when the key cannot be read or names no shard."""
        config, key = self._config, resolve_secret(self._key)
        base = config.base_url or f"https://api.{shard(key)}.cliniko.com"
        headers = {
            "Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode("ascii"),
            "User-Agent": f"{config.app_name} ({config.contact_email})",
        }
        budget = RateBudget(requests=config.requests_per_minute, seconds=60.0)
        limits = HttpLimits(attempts=config.retries + 1, total=config.timeout_seconds)
        async with HttpClient([base], budget=budget, headers=headers, limits=limits) as client:
            api = Api(client, base, config.per_page)
            streams = [ChangedRows(source, api, config, lambda: datetime.now(UTC)) for source in LISTS]
            opened()
            await Poller(self._name, streams, Rhythm(interval=config.poll_seconds)).run(intake)


def shard(key: str) -> str:
    """The shard that a key's suffix names, fit for a host name; a key without a suffix belongs to the first."""
    _, dash, suffix = key.rpartition("-")
    if not dash:
        return "au1"
    if _SHARD.fullmatch(suffix) is None:
        raise InvalidConfiguration(
            "The API key does not end in a shard such as -au2",
            where="api_key",
            fix="Copy the whole key from My Info, Manage API keys.",
        )
    return suffix.lower()


def _from(since: datetime | None) -> list[str]:
    return [] if since is None else [f"updated_at:>={stamp(since)}"]


def _same_list(link: str, url: URL) -> bool:
    try:
        following = URL(link)
        return following.origin() == url.origin() and following.path == url.path and following.user is None
    except ValueError:
        return False


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()
