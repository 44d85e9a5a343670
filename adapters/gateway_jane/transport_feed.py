"""Reads iCal feeds: each as a whole, again and again, and no more of it than has changed.

Strategy. A feed says nothing of what is not in it any more, and drops what has begun and was marked as arrived. So an
event that is missing is taken for gone only when it has not begun yet, the calendar was whole, and the next reading
misses it too: a moment's fault at the clinic frees nobody's time. What lies in the past is forgotten in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec
from yarl import URL

from gateway.errors import InvalidConfiguration, LimitExceeded, MalformedEnvelope, SourceUnavailable
from gateway.model.exchange import Intake, RateBudget
from gateway.settings import resolve_secret
from gateway.transport.http import HttpClient, HttpLimits, is_loopback
from gateway.transport.polling import Poller, Rhythm
from gateway.wire.json_decoder import decoder
from gateway_jane.config import FeedConfig, JaneConfig
from gateway_jane.records_feed import gone, read_feed

MOST_EVENTS = 20_000
_BUDGET = RateBudget(requests=30, seconds=60.0)
_MOST_BYTES = 8 * 1024 * 1024


class _Known(msgspec.Struct, frozen=True, array_like=True):
    digest: str
    begins: float
    missed: bool = False
    """Whether the last reading did not have it."""


class _Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    tag: str = ""
    """ETag of the last reading."""
    modified: str = ""
    known: dict[str, _Known] = {}


_cursor = decoder(_Cursor)


class StaffFeed:
    """The stream of one staff member's feed."""

    def __init__(
        self, staff: str, feed: FeedConfig, address: URL, client: HttpClient, zone: str, now: Callable[[], datetime]
    ) -> None:
        self.name = f"feed-{staff}"
        self._staff = staff
        self._feed = feed
        self._address = address
        self._client = client
        self._zone = zone
        self._now = now

    async def poll(self, intake: Intake) -> None:
        """Bring in what changed; raises ``SourceUnavailable`` for what is no calendar, such as a page of words."""
        kept = await intake.cursor(self.name)
        cursor = _cursor(kept) if kept else _Cursor()
        asked = {"If-None-Match": cursor.tag, "If-Modified-Since": cursor.modified}
        answer = await self._client.request(
            "GET", self._address, expect={200, 304},
            headers={"Accept": "text/calendar"} | {name: value for name, value in asked.items() if value},
        )  # fmt: skip
        now = self._now()
        look = now.astimezone(UTC).isoformat(timespec="seconds")
        if answer.status == 304:
            await self._missing(intake, cursor, look, now)
            return
        try:
            feed = read_feed([answer.body], self._zone)
        except MalformedEnvelope:
            what = "The feed's address answers with something that is no calendar"
            raise SourceUnavailable(what, where=self.name, fix="Make the feed's private URL anew.") from None
        if len(feed.events) > MOST_EVENTS:
            raise LimitExceeded("feed-too-long", f"The feed has more than {MOST_EVENTS} events", where=self.name)
        items = [
            event.item(self._staff, self._feed.name, look=look)
            for event in feed.events.values()
            if event.key not in cursor.known or cursor.known[event.key].digest != event.digest
        ]
        known = {event.key: _Known(event.digest, event.begins) for event in feed.events.values()}
        begun = now.timestamp()
        for key, one in cursor.known.items():
            if key in known or one.begins <= begun:
                continue
            if one.missed and feed.complete:
                items.append(gone(key, self._staff, look))
            else:
                known[key] = msgspec.structs.replace(one, missed=one.missed or feed.complete)
        told = {
            "tag": answer.headers.get("etag", ""), "modified": answer.headers.get("last-modified", ""),
        }  # fmt: skip
        text = msgspec.json.encode(_Cursor(known=known, **(told if feed.complete else {}))).decode()
        await intake.accept(items, stream=self.name, cursor=text, findings=feed.findings)

    async def _missing(self, intake: Intake, cursor: _Cursor, look: str, now: datetime) -> None:
        """The same feed as before: what it missed then it misses again."""
        missed = [key for key, one in cursor.known.items() if one.missed]
        if not missed:
            return
        known = {key: one for key, one in cursor.known.items() if not one.missed}
        items = [gone(key, self._staff, look) for key in missed if cursor.known[key].begins > now.timestamp()]
        text = msgspec.json.encode(msgspec.structs.replace(cursor, known=known)).decode()
        await intake.accept(items, stream=self.name, cursor=text)


class FeedTransport:
    """Reads all feeds of one clinic until cancelled."""

    def __init__(self, name: str, config: JaneConfig) -> None:
        self._name, self._config = name, config

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Raises ``InvalidConfiguration`` for an address that is none; it is a secret, and never told."""
        config = self._config
        addresses = {staff: feed_address(staff, feed) for staff, feed in config.feeds.items()}
        async with feed_client(addresses, config) as client:
            streams = [
                StaffFeed(staff, feed, addresses[staff], client, config.feed_zone or "UTC", lambda: datetime.now(UTC))
                for staff, feed in config.feeds.items()
            ]
            opened()
            await Poller(self._name, streams, Rhythm(interval=config.feed_seconds)).run(intake)


def feed_client(addresses: Mapping[str, URL], config: JaneConfig) -> HttpClient:
    """A client for the hosts of the feeds, which names no path in any error: the path is the key."""
    return HttpClient(
        {str(one.origin()) for one in addresses.values()}, budget=_BUDGET, secret_paths=True,
        limits=HttpLimits(attempts=config.retries + 1, total=config.timeout_seconds, max_bytes=_MOST_BYTES),
    )  # fmt: skip


def feed_address(staff: str, feed: FeedConfig) -> URL:
    """The private address of a feed."""
    where = f"feeds.{staff}.url"
    fix = "Copy the private URL from the staff member's settings; https only."
    try:
        url = URL(resolve_secret(feed.url).replace("webcal://", "https://", 1))
        good = url.scheme == "https" or (url.scheme == "http" and is_loopback(url))
    except ValueError:
        good = False
    if not good or url.user is not None or not url.host:
        raise InvalidConfiguration("The address of a feed is not usable", where=where, fix=fix)
    return url
