"""One resource type kept current by search: everything changed since the cursor, page by page.

The cursor tells how far the last complete search came, and while one runs which page is next; it is stored with the
page it belongs to, so a crash costs one page. Pages are followed by the server's own ``next`` links, to the same
origin only, never twice and not for ever. ``since`` moves when the last page was stored and the number of resources
agrees with the server's total, and never past a time that is still to come. What is read again behind ``since`` is
known by its digest and not handed in again: after a move between systems all resources may have changed at one time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from yarl import URL

from gateway.errors import SourceUnavailable
from gateway.model.exchange import Intake, Item
from gateway.transport.http import HttpClient
from gateway.wire.json_decoder import decoder
from gateway_fhir.config import FhirConfig
from gateway_fhir.records import Meta, Part
from gateway_fhir.records_bundle import Cut, cut_bundle

_MOST_KNOWN = 5000
"""Resources remembered; what is not is handed in once more and changes nothing."""


class Place(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far one type has been read."""

    since: str | None = None
    """Everything changed before this time is stored."""
    next: str | None = None
    """The page that follows, while a search runs."""
    high: str | None = None
    """The latest change that this search has shown so far."""
    pages: int = 0
    seen: int = 0
    """Resources of this type that the search has shown so far."""
    total: int | None = None
    known: dict[str, str] = {}
    """Change and digest, by id, of what the last complete search showed and the next one reads again."""
    shown: dict[str, str] = {}
    """The same of the search that runs."""


class _Head(Part, frozen=True, kw_only=True):
    meta: Meta | None = None


_place = decoder(Place)
_updated = decoder(_Head)


class ChangedResources:
    """The stream of one resource type."""

    def __init__(
        self, type: str, client: HttpClient, config: FhirConfig, now: Callable[[], datetime], *, by_time: bool = True
    ) -> None:
        self.name = f"search:{type}"
        self._type = type
        self._client = client
        self._config = config
        self._now = now
        self._by_time = by_time
        self._base = URL(config.base_url or "")
        self._visited: set[str] = set()

    async def poll(self, intake: Intake) -> None:
        """Bring in what changed; raises ``SourceUnavailable`` when the answers are not sound."""
        cursor = await intake.cursor(self.name)
        place = _place(cursor) if cursor else Place()
        self._visited.clear()
        url: URL | None = same_server(place.next, self._base, self._type) if place.next else self._first(place)
        if not place.next:
            place = Place(since=place.since, known=place.known)
        try:
            while url is not None:
                url, place = await self._page(intake, url, place)
        except SourceUnavailable:
            if place.next:  # the page may be gone for good: the next look begins the search anew
                await intake.accept([], stream=self.name, cursor=_text(Place(since=place.since, known=place.known)))
            raise

    async def _page(self, intake: Intake, url: URL, place: Place) -> tuple[URL | None, Place]:
        """Read and store one page with the cursor behind it."""
        if str(url) in self._visited or place.pages >= self._config.most_pages:
            raise SourceUnavailable("The server's next links loop or do not end", where=self._type)
        self._visited.add(str(url))
        page = await self._client.get(url, answer)
        own = [one for one in page.items if one.kind == self._type]
        high = max(filter(None, (place.high, *map(changed, own))), default=None)
        following = Place(
            since=place.since,
            next=page.bundle.next,
            high=high,
            pages=place.pages + 1,
            seen=place.seen + len(own) + _unreadable(page),
            total=place.total if page.bundle.total is None else page.bundle.total,
            known=place.known,
            shown=self._again(place.shown | dict(map(_state, own)), self._reached(place.since, high)),
        )
        new = [one for one in page.items if place.known.get(_state(one)[0]) != _state(one)[1]]
        following_url = same_server(page.bundle.next, self._base, self._type) if page.bundle.next else None
        if following_url is not None:
            await intake.accept(new, stream=self.name, cursor=_text(following), findings=page.findings)
            return following_url, following
        short = self._config.check_totals and following.total is not None and following.seen < following.total
        done = (
            Place(since=place.since, known=place.known)
            if short
            else Place(since=self._reached(place.since, high), known=following.shown)
        )
        await intake.accept(new, stream=self.name, cursor=_text(done), findings=page.findings)
        if short:
            raise SourceUnavailable(
                "The server gives fewer resources than its total says", where=self._type,
                fix="If its totals are estimates, set check_totals = false.",
            )  # fmt: skip
        return None, done

    def _first(self, place: Place) -> URL:
        query: dict[str, str] = {"_count": str(self._config.page_size)}
        if self._by_time:
            query["_sort"] = "_lastUpdated"
            if place.since:
                since = datetime.fromisoformat(place.since) - timedelta(seconds=self._config.overlap_seconds)
                query["_lastUpdated"] = f"ge{_stamp(since)}"
        return (self._base / self._type).with_query(query)

    def _again(self, shown: dict[str, str], reached: str | None) -> dict[str, str]:
        """What the next search reads again when it begins at ``reached``."""
        if reached is None:
            return {}
        since = _stamp(datetime.fromisoformat(reached) - timedelta(seconds=self._config.overlap_seconds))
        later = [(name, state) for name, state in shown.items() if state.partition(" ")[0] >= since]
        return dict(later[-_MOST_KNOWN:])

    def _reached(self, since: str | None, high: str | None) -> str | None:
        """Where the next search begins: the latest change seen, not one that a wrong clock dates in the future."""
        if high is None:
            return since
        reached = min(datetime.fromisoformat(high), self._now())
        return _stamp(reached) if since is None else max(since, _stamp(reached))


def same_server(link: str, base: URL, where: str) -> URL:
    """A next link, which must stay on the server.

    A server behind a proxy that ends TLS often writes its links with http: they are followed with https.
    """
    try:
        url = URL(link, encoded=True)
        url = url if url.is_absolute() else (base / (where if link.startswith("?") else "")).join(url)
        if url.scheme == "http" and base.scheme == "https" and url.host == base.host and url.port in (80, base.port):
            url = url.with_scheme("https").with_port(base.explicit_port)
        origin = url.origin()
    except ValueError:
        raise SourceUnavailable("The server's next link is no address", where=where) from None
    if origin != base.origin() or url.user is not None:
        raise SourceUnavailable("The server's next link leads to another place", where=where)
    return url


def answer(body: bytes) -> Cut:
    """A page; anything that is no searchset is no answer."""
    found = cut_bundle(body)
    if found.bundle.type != "searchset":
        raise msgspec.ValidationError("not a searchset")
    return found


def _unreadable(page: Cut) -> int:
    """Entries that were given and are no resource: they do not make a search short."""
    return sum(one.reason == "unreadable-resource" for one in page.findings)


def changed(item: Item) -> str | None:
    """When a resource changed last, in UTC; None when it does not say so in a way that can be read."""
    meta = _updated(item.body).meta
    try:
        at = datetime.fromisoformat(meta.last_updated or "") if meta else None
    except ValueError:
        return None
    return _stamp(at) if at is not None and at.tzinfo is not None else None


def _state(item: Item) -> tuple[str, str]:
    """What names a resource, and which state of it this is: when it changed, and a digest."""
    name = item.control_id.rpartition(":")[0]
    return name, f"{changed(item) or '0'} {hashlib.blake2b(item.body, digest_size=8).hexdigest()}"


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(place: Any) -> str:
    return msgspec.json.encode(place).decode()
