"""Whole lists for the sweep: ids and times of every resource of one type, by the server's own next links."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from yarl import URL

from gateway.errors import SourceUnavailable
from gateway.mapping.times import instant
from gateway.model.exchange import Item
from gateway.model.full_list import Looked, Seen, SweepPage
from gateway.transport.http import HttpClient
from gateway.wire.json_decoder import decoder
from gateway_fhir.config import FhirConfig
from gateway_fhir.records import Part
from gateway_fhir.records_bundle import Cut
from gateway_fhir.transport_discovery import Plan
from gateway_fhir.transport_search import answer, changed, same_server

SWEPT = {
    "Patient": "Patient", "Practitioner": "Practitioner", "Location": "Location", "Appointment": "Appointment",
    "Coverage": "Coverage", "Encounter": "Visit", "EpisodeOfCare": "EpisodeOfCare",
}  # fmt: skip
"""Types of which every resource that is in use makes one record under its own id."""
_UNUSED = frozenset({"entered-in-error", "proposed", "waitlist"})
"""Status of what makes no record."""


class _Head(Part, frozen=True, kw_only=True):
    id: str
    status: str = ""


_head = decoder(_Head)


class FullSearch:
    """The sweep of one type; its cursor is the server's next link."""

    also: Sequence[tuple[str, str]] = ()
    versioned = True
    history = False

    def __init__(self, type: str, client: HttpClient, config: FhirConfig) -> None:
        self.name, self.type = f"search:{type}", SWEPT[type]
        self._resource, self._client, self._config = type, client, config
        self._base = URL(config.base_url or "")

    def owns(self, native_id: str) -> bool:
        """A resource of the list is known by its bare id; a role among the practitioners, for one, bears its type."""
        return "/" not in native_id and "#" not in native_id

    async def page(self, cursor: str | None) -> SweepPage:
        """One page."""
        first = (self._base / self._resource).with_query({"_count": str(self._config.page_size)})
        page = await self._client.get(same_server(cursor, self._base, self._resource) if cursor else first, answer)
        listed = [(_head(item.body), _version(item)) for item in self._own(page)]
        seen = tuple(Seen(head.id, version) for head, version in listed if head.status not in _UNUSED)
        return SweepPage(seen=seen, cursor=page.bundle.next, unreadable=len(page.findings))

    async def look(self, native_ids: Sequence[str]) -> Looked:
        """The resources of these ids."""
        items: list[Item] = []
        query = {"_id": ",".join(native_ids), "_count": str(len(native_ids))}
        url: URL | None = (self._base / self._resource).with_query(query)
        for _ in native_ids:  # a server gives one resource a page at the least
            if url is None:
                break
            page = await self._client.get(url, answer)
            items += self._own(page)
            url = same_server(page.bundle.next, self._base, self._resource) if page.bundle.next else None
        found = {_head(item.body).id: item for item in items}
        if not found.keys() <= set(native_ids):
            raise SourceUnavailable("The server gives other resources than asked for by id", where=self._resource)
        return Looked(items=tuple(found.values()), found=frozenset(found))

    def _own(self, page: Cut) -> list[Item]:
        return [item for item in page.items if item.kind == self._resource]


def _version(item: Item) -> str:
    told = changed(item)
    return instant(told, UTC) if told else ""


def sweeps(plan: Plan, client: HttpClient, config: FhirConfig) -> list[FullSearch]:
    """One sweep for each type that can be searched."""
    return [FullSearch(type, client, config) for type in plan.search if type in SWEPT]
