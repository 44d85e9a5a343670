"""The only I/O of this adapter: asks each list for what changed since the last look.

Strategy. The API filters by ``updated_at`` and does not show it, so the cursor is our own clock at the start of the
last whole reading, less an overlap, and less the time by which the vendor's clock is late. Pages are asked for in the
order of creation: a row that changes while they are read can only push others to later pages, where they are read
twice, and never out of them. A reading that is broken off goes on at the page it had reached, as long as the vendor
knows it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
from yarl import URL

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.model.exchange import Intake, Item
from gateway.transport.polling import Poller, Rhythm
from gateway.wire.json_decoder import decoder
from gateway_jane.config import JaneConfig
from gateway_jane.records import KINDS, Page
from gateway_jane.transport_api import Api, api_client, identity_client, stamp, utc_now
from gateway_jane.transport_sweep import sweeps

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


_cursor = decoder(_Cursor)


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
                await self._anew(intake, cursor)
                raise SourceUnavailable("The source's next links loop or do not end", where=self.name)
            asked.add(url)
            try:
                page = await self._api.page(url)
            except SourceUnavailable as error:
                if error.refused and (cursor.after or len(asked) > 1):  # the vendor has forgotten this link
                    await self._anew(intake, cursor)
                raise
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

    async def _anew(self, intake: Intake, cursor: _Cursor) -> None:
        """The next look begins the reading at its first page."""
        await self._keep(intake, [], Page([], [], None), _Cursor(since=cursor.since, seen=cursor.seen))

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
        """Raises ``InvalidConfiguration`` when the client's secret cannot be read; for a consent it waits."""
        config = self._config
        async with identity_client(config) as outside, api_client(config, outside) as client:
            api = Api(client, config, utc_now)
            streams = [ChangedItems(kind, api, config, utc_now) for kind in KINDS]
            opened()
            rhythm = Rhythm(interval=config.poll_seconds)
            await Poller(self._name, streams, rhythm, sweeps=sweeps(api, config)).run(intake)
