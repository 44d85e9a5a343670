"""The lists of the API and how they are asked: filters, pages, and rows by their ids."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from urllib.parse import quote

from msgspec import Struct
from yarl import URL

from gateway.errors import SourceUnavailable
from gateway.transport.http import HttpClient
from gateway_cliniko.records_page import Page, Row, read_page

WRONG_COUNT = "announces another number of items than it gives"
_IDS_PER_REQUEST = 50
_MOST_PAGES = 200
_SHOWN = ("archived_at:*", "deleted_at:*", "cancelled_at:*")


class ListOf(Struct, frozen=True):
    """One list of the API; ``show`` switches off the hiding of rows where the list offers those filters."""

    stream: str
    path: str
    kind: str
    show: tuple[str, ...] = ()


BUSINESSES = ListOf("businesses", "businesses", "businesses", _SHOWN[:2])
PRACTITIONERS = ListOf("practitioners", "practitioners", "practitioners")
INACTIVE = ListOf("inactive_practitioners", "practitioners/inactive", "practitioners")
APPOINTMENT_TYPES = ListOf("appointment_types", "appointment_types", "appointment_types", _SHOWN[:1])
APPOINTMENTS = ListOf("individual_appointments", "individual_appointments", "individual_appointments", _SHOWN)
GROUPS = ListOf("group_appointments", "group_appointments", "group_appointments", _SHOWN[:2])
ATTENDEES = ListOf("attendees", "attendees", "attendees", _SHOWN)
INVOICES = ListOf("invoices", "invoices", "invoices", _SHOWN[:2])
INVOICE_ITEMS = ListOf("invoice_items", "invoice_items", "invoice_items", _SHOWN[:2])
NUMBERS = ListOf("practitioner_reference_numbers", "practitioner_reference_numbers", "practitioner_reference_numbers")
COMPLETING = (ATTENDEES, INVOICE_ITEMS, NUMBERS)
"""Lists whose rows only complete the rows of another."""
LISTS = (
    BUSINESSES,
    PRACTITIONERS,
    INACTIVE,
    NUMBERS,
    ListOf("contacts", "contacts", "contacts", _SHOWN[:2]),
    ListOf("patients", "patients", "patients", _SHOWN[:1]),
    ListOf("patient_cases", "patient_cases", "patient_cases", _SHOWN[:1]),
    ListOf("referral_source_types", "referral_source_types", "referral_source_types", _SHOWN[:1]),
    ListOf("referral_sources", "referral_sources", "referral_sources", _SHOWN[:1]),
    APPOINTMENTS,
    GROUPS,
    ATTENDEES,
    INVOICES,
    INVOICE_ITEMS,
    ListOf("communications", "communications", "communications", _SHOWN[:1]),
    ListOf("unavailable_blocks", "unavailable_blocks", "unavailable_blocks", _SHOWN[:2]),
)


class Api:
    """The lists of one account over an open client."""

    def __init__(self, client: HttpClient, base: str, per_page: int) -> None:
        self._client = client
        self._base = base
        self._per_page = per_page

    def url(self, source: ListOf, filters: Iterable[str], sort: str = "updated_at", number: int = 1) -> URL:
        """A page of a question, the first one by default."""
        query = [f"q%5B%5D={quote(text, safe='')}" for text in (*filters, *source.show)]
        query += [f"per_page={self._per_page}", f"sort={sort}"]
        query += [f"page={number}"] if number > 1 else []
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
            raise SourceUnavailable(f"The source {WRONG_COUNT}", where=source.path)

    async def rows(self, source: ListOf, field: str, ids: Iterable[str]) -> list[Row]:
        """Every row of a list whose ``field`` is one of ``ids``, hidden ones included; unreadable rows are left out."""
        wanted = list(dict.fromkeys(ids))
        found: list[Row] = []
        for start in range(0, len(wanted), _IDS_PER_REQUEST):
            asked = ",".join(wanted[start : start + _IDS_PER_REQUEST])
            async for page in self.pages(source, [f"{field}:={asked}"], most=_MOST_PAGES):
                found += page.rows
        return found


def _same_list(link: str, url: URL) -> bool:
    try:
        following = URL(link)
        return following.origin() == url.origin() and following.path == url.path and following.user is None
    except ValueError:
        return False
