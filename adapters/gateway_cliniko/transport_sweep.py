"""Whole lists for the sweep: every row that makes a record, by pages that survive changes while they are read.

Strategy. Rows are asked for in the order of their creation, which never changes, and each page is the first page of a
new question, ``created_at >= the newest seen``: a deletion shifts nothing out of sight. Only when one second holds a
page or more is it read by page number. A row that was missed all the same is found when the core asks for it by id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated

from msgspec import Meta, Struct

from gateway.errors import SourceUnavailable
from gateway.mapping.times import instant
from gateway.model.full_list import Looked, Seen, SweepPage
from gateway.wire.json_decoder import decoder
from gateway_cliniko.config import ClinikoConfig
from gateway_cliniko.records_page import stamp
from gateway_cliniko.transport_joined import Joiner
from gateway_cliniko.transport_lists import LISTS, WRONG_COUNT, Api, ListOf


class _Marks(Struct, frozen=True):
    created_at: Annotated[datetime, Meta(tz=True)]
    archived_at: str | None = None
    deleted_at: str | None = None


class _Of(Struct, frozen=True):
    """What the rows of a list make, and whether archiving one takes it away."""

    type: str
    archiving_removes: bool = False
    also: tuple[tuple[str, str], ...] = ()


_MARKETING, _REMINDERS = ("#email-marketing", "#sms-marketing"), ("#email-appointment", "#sms-appointment")
SWEPT = {
    "businesses": _Of("Location"),
    "patients": _Of("Patient", also=tuple(("Consent", ending) for ending in (*_MARKETING, *_REMINDERS))),
    "patient_cases": _Of("EpisodeOfCare", archiving_removes=True, also=(("Authorization", ""), ("Referral", "#case"))),
    "individual_appointments": _Of("Appointment", archiving_removes=True),
    "invoices": _Of("Invoice", archiving_removes=True),
    "unavailable_blocks": _Of("Unavailability", archiving_removes=True),
    "referral_source_types": _Of("ReferralSource"),
}
"""Lists of which every row makes one record under the row's own id."""
_marks = decoder(_Marks)


class FullList:
    """The sweep of one list; its cursor is a second of creation and a page within what was created since."""

    versioned = True

    def __init__(self, source: ListOf, api: Api, config: ClinikoConfig, now: Callable[[], datetime]) -> None:
        of = SWEPT[source.stream]
        self.name, self.type = source.stream, of.type
        self.also: Sequence[tuple[str, str]] = of.also
        self.history = config.history == "behind"
        self._list, self._api, self._per_page = source, api, config.per_page
        self._archiving_removes = of.archiving_removes
        self._bring = Joiner(api, now).items

    def owns(self, native_id: str) -> bool:
        """Rows of the list bear their bare number; an attendee's visit, for one, has a word behind it."""
        return "#" not in native_id

    async def page(self, cursor: str | None) -> SweepPage:
        """One page; raises ``SourceUnavailable`` when it does not agree with its own count."""
        since, _, number = (cursor or "#1").partition("#")
        filters = [f"created_at:>={since}"] if since else []
        page = await self._api.page(self._list, self._api.url(self._list, filters, "created_at", int(number)))
        marks = [_marks(row.body) for row in page.rows]
        seen = tuple(
            Seen(row.id, instant(stamp(row.updated_at), UTC))
            for row, mark in zip(page.rows, marks, strict=True)
            if not mark.deleted_at and not (self._archiving_removes and mark.archived_at)
        )
        if page.next is None:
            if page.total != (int(number) - 1) * self._per_page + len(page.rows) + len(page.findings):
                raise SourceUnavailable(f"The source {WRONG_COUNT}", where=self._list.path)
            return SweepPage(seen=seen, cursor=None, unreadable=len(page.findings))
        following = self._following(marks, since, int(number))
        return SweepPage(seen=seen, cursor=following, unreadable=len(page.findings))

    def _following(self, marks: Sequence[_Marks], since: str, number: int) -> str:
        if not marks or any(a.created_at > b.created_at for a, b in pairwise(marks)):
            raise SourceUnavailable("The source ignores the order asked for", where=self._list.path)
        last = stamp(marks[-1].created_at)
        return f"{last}#1" if last > since else f"{since}#{number + 1}"

    async def look(self, native_ids: Sequence[str]) -> Looked:
        """The rows of these ids, archived and deleted ones too."""
        rows = await self._api.rows(self._list, "id", native_ids)
        return Looked(items=tuple(await self._bring(self._list, rows)), found=frozenset(row.id for row in rows))


def sweeps(api: Api, config: ClinikoConfig, now: Callable[[], datetime]) -> list[FullList]:
    """One sweep for each list that can be swept."""
    return [FullList(source, api, config, now) for source in LISTS if source.stream in SWEPT]
