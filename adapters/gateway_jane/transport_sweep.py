"""Whole lists for the sweep: every row in the order of its creation, and single rows by their ids.

Whether a list shows cancelled and archived rows is not documented. So a row that is not listed is asked for by its id,
and only the vendor's 404 means that it is gone; an archived one is found and says so itself. Rows tell no version.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.errors import SourceUnavailable
from gateway.model.exchange import Item
from gateway.model.full_list import Looked, Seen, SweepPage
from gateway_jane.config import JaneConfig
from gateway_jane.records import read_row
from gateway_jane.transport_api import Api

SWEPT: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "locations": ("Location", ()),
    "staff_members": ("Practitioner", ()),
    "patients": ("Patient", (("Consent", "#email"), ("Consent", "#email-marketing"))),
    "appointments": ("Appointment", ()),
}
"""By list: the type of its rows' records, and what else ends with a row."""


class FullList:
    """The sweep of one list; its cursor is the vendor's next link."""

    versioned = False
    history = False

    def __init__(self, kind: str, api: Api) -> None:
        self.name = kind
        self.type = SWEPT[kind][0]
        self.also: Sequence[tuple[str, str]] = SWEPT[kind][1]
        self._api = api

    def owns(self, native_id: str) -> bool:  # noqa: ARG002 - no other list makes records of these types
        """Every record of its type is a row of the list."""
        return True

    async def page(self, cursor: str | None) -> SweepPage:
        """One page."""
        url = self._api.following(self.name, cursor) if cursor else self._api.first(self.name, None)
        page = await self._api.page(url)
        rows = [row for row in page.rows if not row.archived]
        told = await self._api.context(self.name, rows)
        seen = tuple(Seen(row.id, item=row.item(told(row), look="sweep")) for row in rows)
        return SweepPage(seen=seen, cursor=page.after, unreadable=len(page.findings))

    async def look(self, native_ids: Sequence[str]) -> Looked:
        """The rows of these ids, archived ones too."""
        items: list[Item] = []
        found: set[str] = set()
        for id in native_ids:
            answer = await self._api.one(self.name, id)
            if answer.status == 404:
                continue
            try:
                row = read_row(answer.body)
            except msgspec.DecodeError:
                raise SourceUnavailable("The source answered an item that cannot be read", where=self.name) from None
            told = await self._api.context(self.name, [row])
            items.append(row.item(told(row), look="sweep"))
            found.add(id)
        return Looked(items=tuple(items), found=frozenset(found))


def sweeps(api: Api, config: JaneConfig) -> list[FullList]:
    """One sweep for each list that polling reads as a whole.

    A source that begins at a date has not read what is older, and what it lacks is not missed. Feeds name staff by
    words of ours, which no list of the vendor holds.
    """
    if config.changed_since is not None:
        return []
    return [FullList(kind, api) for kind in SWEPT if kind != "staff_members" or not config.feeds]
