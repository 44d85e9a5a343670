"""Finding one page of a FHIR search: candidates by list or by the search index, opened, compared, and disclosed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from gateway.http import fhir_tokens as tokens
from gateway.http.cursor import place_in_list, place_of, place_token, words_of
from gateway.http.fhir import is_damaged, shown_resource
from gateway.http.fhir_index import SearchIndex
from gateway.http.fhir_lookup import Wanted
from gateway.http.fhir_search import CANDIDATES, Search, references
from gateway.http.house import House
from gateway.http.reading import PAGE, Reader, Shown
from gateway.http.records import record_bytes, seen_by_patient
from gateway.http.refusal import HttpRefusal
from gateway.store import reading
from gateway.store.rows import Found
from gateway.wire.fhir_values import Json

LISTED, CHANGED = "", "changed"
"""How candidates are found: by list, by when they changed; or else by the named parameter."""
Match = tuple[Json, Found]


class Place(NamedTuple):
    """Where a search stands, in plain JSON values."""

    at: int = 0
    """Which of the groups of record types."""
    by: str | None = None
    """How candidates of this type are found, once that is chosen: it holds for all pages."""
    after: Any = None
    """The last candidate; None at the type's beginning."""


class Candidates(NamedTuple):
    """The next records that may match."""

    rows: Sequence[Found]
    after: dict[bytes, Any]
    """Where a search goes on behind each of them, by record id."""
    last: Any
    """Where it goes on behind all of them; None when there are no more of this type."""
    looked_at: int
    wanted: Wanted | None = None
    """What the index was asked for: a record with several of its words counts as found by the first."""


class Finder:
    """Finds one page of a search."""

    def __init__(self, house: House, index: SearchIndex, reader: Reader, types: Sequence[str], asked: Search) -> None:
        self._house = house
        self._index = index
        self._reader = reader
        self._types = types
        self._groups: Sequence[Sequence[str]] = [(type,) for type in types]
        """Record types whose candidates come together."""
        self._asked = asked
        self._tenant = reader.principal.tenant
        self.damaged = 0
        """Records that could not be opened: they may belong to the answer, which has to say that it lacks them."""

    async def page(self) -> tuple[list[Match], str | None]:
        """Resources that match, and the token of the next page."""
        asked = self._asked
        place = self._begin()
        if place.by:
            await self._check(self._groups[place.at])
        left = CANDIDATES if asked.by_content else asked.count
        found: list[Match] = []
        while left > 0 and place.at < len(self._groups) and len(found) < asked.count:
            place = await self._chosen(place)
            lacking = asked.count - len(found)
            candidates = await self._candidates(place, min(left, lacking * (1 if self._exact(place) else 4)))
            left -= max(1, candidates.looked_at)
            matched = await self._shown(candidates, lacking)
            found += matched
            if len(found) == asked.count and asked.by_content and matched:
                # what matched beyond the page is found again on the next one
                place = place._replace(after=candidates.after[bytes(matched[-1][1].record_id)])
            elif candidates.last is not None:
                place = place._replace(after=candidates.last)
            else:
                place = Place(place.at + 1)
        if place.at >= len(self._groups):
            return found, None
        return found, self._token(list(place))

    async def gathered(self, most: int, *, opening: bool) -> list[tuple[Json | None, Found]] | None:
        """Everything that matches, told to nobody yet; None when more than ``most`` candidates had to be looked at.

        Args:
            most: at most a page of the reader.
            opening: whether the resources are wanted; a search by content needs them in any case.
        """
        place, left = Place(), most
        found: list[tuple[Json | None, Found]] = []
        while place.at < len(self._groups):
            place = await self._chosen(place)
            candidates = await self._candidates(place, left + 1)
            goes_on = candidates.last is not None
            left -= max(candidates.looked_at, 1) if goes_on else candidates.looked_at
            if left < 0:
                return None
            if opening or self._asked.by_content:
                found += await self._compared(candidates)
            else:
                found += ((None, row) for row in candidates.rows)
            place = place._replace(after=candidates.last) if goes_on else Place(place.at + 1)
        return found

    async def _chosen(self, place: Place) -> Place:
        """The place with the way by which candidates are found from here on."""
        if place.by is not None:
            return place
        return place._replace(by=await asyncio.to_thread(self._way, self._groups[place.at][0]))

    def _token(self, place: Any) -> str:
        return place_token(self._house.vault, self._tenant, self._kind, place)

    @property
    def _kind(self) -> str:
        order = "".join(f"/{'-' * last_first}{key}" for key, last_first in self._asked.sort)
        return f"fhir/{self._reader.principal.client.id}/{self._asked.resource}{order}"

    def _begin(self) -> Place:
        if not self._asked.page:
            return Place()
        return Place(*self._opened())

    def _opened(self) -> Any:
        """What the token of this page says."""
        return place_of(self._house.vault, self._tenant, self._kind, self._asked.page, "_page")

    async def _check(self, types: Sequence[str]) -> None:
        """A page goes on by the index that found the ones before: one that was begun anew would end it in silence."""
        if not await asyncio.to_thread(self._ready, types):
            raise HttpRefusal(
                503, "index-behind", "The search index is reading on", where="_page", headers={"Retry-After": "5"},
                fix="Ask for this page again in a moment, or begin the search anew.",
            )  # fmt: skip

    def _ready(self, types: Sequence[str]) -> bool:
        return all(self._index.ready(self._tenant, type) for type in types)

    # --- which candidates -------------------------------------------------------------------------------------------

    def _way(self, type: str) -> str:
        """How candidates of a type are found best: by the parameter that leaves the fewest, where it is indexed."""
        asked = self._asked
        if asked.patient is not None or asked.ids:
            return LISTED  # few by themselves
        dated = bool(asked.dates) and tokens.span(asked.dates) is not None
        ways = (("identifier", bool(asked.identifiers)), ("date", dated), ("status", bool(asked.statuses)))
        chosen = next((name for name, given in ways if given and self._whole(type, name)), None)
        if chosen is None and asked.updated:
            chosen = CHANGED
        return chosen if chosen is not None and self._index.ready(self._tenant, type) else LISTED

    def _whole(self, type: str, parameter: str) -> bool:
        """Whether the index holds this parameter, and the client may see all that it is made of."""
        made_of = tokens.FIELDS.get(type, {}).get(parameter)
        granted = set(self._reader.principal.view.grants[type])
        return made_of is not None and granted.issuperset(made_of)

    def _exact(self, place: Place) -> bool:
        """Whether nearly every candidate matches: what was found by all its words does, but for a day's hours."""
        asked = self._asked
        if place.by == CHANGED:
            given = bool(asked.statuses) + bool(asked.identifiers) + bool(asked.dates)
            return len(self._further(self._groups[place.at], CHANGED)) == given
        return not asked.by_content or place.by != LISTED

    async def _candidates(self, place: Place, most: int) -> Candidates:
        types = self._groups[place.at]
        if place.by == LISTED:
            return await self._listed(types[0], place.after, most)
        after = None if place.after is None else (place.after[0], bytes.fromhex(place.after[1]))
        if place.by == CHANGED:
            window, newest_first = self._asked.window(), self._asked.newest_first
            pairs, end = await asyncio.to_thread(
                self._index.lookup.changed, self._tenant, types, window, after, most,
                newest_first=newest_first, also=self._further(types, CHANGED),
            )  # fmt: skip
            return await self._of_index(types, pairs, end, None)
        wanted = self._wanted(types[0], str(place.by))
        found, last = await asyncio.to_thread(self._index.lookup.find, self._tenant, wanted, after, most)
        return await self._of_index(types, found, last, wanted)

    def _wanted(self, type: str, by: str) -> Wanted:
        """What to ask the index: by one parameter, and by all others it may be asked that have few words."""
        span = tokens.span(self._asked.dates) if by == "date" else None
        return Wanted(type, by, self._words(by), span, self._further((type,), by))

    def _further(self, types: Sequence[str], by: str) -> list[tuple[str, Sequence[str]]]:
        """What else the index can be asked at once: the other parameters that have few words, and what they are."""
        others = ("identifier", "status")
        names = [name for name in others if name != by and all(self._whole(type, name) for type in types)]
        return [(name, words) for name in names if (words := self._words(name))]

    def _words(self, parameter: str) -> list[str]:
        """What is asked of a parameter, in order; of dates nothing, for their days are found one after another."""
        if parameter == "identifier":
            return sorted({value for _, value in next(iter(self._asked.identifiers), ())})
        return sorted(self._asked.statuses) if parameter == "status" else []

    async def _of_index(
        self, types: Sequence[str], pairs: Sequence[tuple[Any, bytes]], last: tuple[Any, bytes] | None,
        wanted: Wanted | None,
    ) -> Candidates:  # fmt: skip
        """The newest versions of what the index found, without what the client may not see or nobody any more."""
        found = {record: (number, key) for number, (key, record) in reversed(list(enumerate(pairs)))}
        rows = await self._house.store.read(lambda c: reading.newest(c, self._tenant, list(found)))
        kept = [row for row in rows if row.type in types and row.kind != "removed" and self._reader.visible(row)]
        kept = [row for row in kept if _within(row.at, self._asked.window())]
        kept.sort(key=lambda row: found[bytes(row.record_id)])
        after = {record: [key, record.hex()] for record, (_, key) in found.items()}
        goes_on = None if last is None else [last[0], last[1].hex()]
        return Candidates(kept, after, goes_on, len(pairs), wanted)

    async def _listed(self, type: str, after: Any, most: int) -> Candidates:
        place = None if after is None else place_in_list(after)
        rows = await self._house.store.read(self._reading(type, place, most))
        places = {bytes(row.record_id): words_of(row) for row in rows}
        return Candidates(rows, places, words_of(rows[-1]) if len(rows) == most else None, len(rows))

    def _reading(self, type: str, place: reading.Place | None, most: int) -> Callable[[Connection], Sequence[Found]]:
        wanted = self._listing(type)
        return lambda connection: reading.listed(connection, self._tenant, wanted, place, most)

    def _listing(self, type: str) -> reading.Wanted:
        """What the store is asked for where it answers by itself."""
        principal, asked = self._reader.principal, self._asked
        if asked.patient is not None:
            seen_by_patient(principal, type)
        ids = [_known(one) for one in asked.ids]
        since, before = asked.window()
        return reading.Wanted(type, asked.patient, ids, None, tuple(principal.client.locations), since, before)

    # --- opening ----------------------------------------------------------------------------------------------------

    async def _shown(self, candidates: Candidates, most: int) -> list[Match]:
        """What of the candidates the client gets: all of them, or what matches, at most ``most``."""
        if not self._asked.by_content:
            return await self._reader.show(candidates.rows, self._made)
        found: list[Json] = []

        def matches(one: Shown) -> bool:
            made = self._matching(one, candidates) if len(found) < most else None
            if made is not None:
                found.append(made)
            return made is not None

        matched = await self._reader.search(candidates.rows, matches)
        return [(made, one.change) for made, one in zip(found, matched, strict=True)]

    async def _compared(self, candidates: Candidates) -> list[tuple[Json | None, Found]]:
        """What of the candidates matches; nothing of it leaves yet, so nothing is disclosed."""
        found: list[tuple[Json | None, Found]] = []

        def look(one: Shown) -> bool:
            made = self._matching(one, candidates)
            if made is not None:
                found.append((made, one.change))
            return False

        await self._reader.search(candidates.rows, look)
        return found

    def _matching(self, one: Shown, candidates: Candidates) -> Json | None:
        """A candidate as the client sees it; None when it cannot be opened, or is none of those searched for."""
        self.damaged += is_damaged(one)
        made = shown_resource(one)
        if made is None or not self._asked.matches(made):
            return None
        if candidates.wanted is not None and not _first(one, made, candidates, candidates.wanted):
            return None
        return made

    async def included(self, found: Iterable[Json]) -> list[Json]:
        """What the matches refer to, where it was asked for and the client may see it."""
        if not self._asked.includes:
            return []
        found = list(found)
        named = {id for made in found for _, id in references(made, self._asked.includes)} - {
            one["id"] for one in found
        }
        ids = [_known(id) for id in sorted(named)]
        shown: list[Json] = []
        for some in (ids[at : at + PAGE] for at in range(0, len(ids), PAGE)):
            rows = await self._house.store.read(lambda c, some=some: reading.newest(c, self._tenant, some))  # type: ignore[misc]  # the default binds what the loop has now
            rows = [row for row in rows if row.kind != "removed" and self._reader.visible(row)]
            shown += [made for made, _ in await self._reader.show(rows, self._made)]
        return shown

    def _made(self, shown: Sequence[Shown]) -> list[Match]:
        self.damaged += sum(map(is_damaged, shown))
        return [(made, one.change) for one in shown if (made := shown_resource(one)) is not None]


def _first(one: Shown, made: Json, candidates: Candidates, wanted: Wanted) -> bool:
    """Whether a record was found by the first of its words: a stay of three days is on one page once."""
    if wanted.span is None and len(wanted.words) == 1:
        return True  # there is no other
    own = {word for name, word in tokens.words(one.change.type, made) if name == wanted.by and wanted.holds(word)}
    return bool(candidates.after[bytes(one.change.record_id)][0] == min(own, default=None))


def _within(at: int, window: tuple[int | None, int | None]) -> bool:
    since, before = window
    return (since is None or at >= since) and (before is None or at < before)


def _known(id: str) -> bytes:
    """A record id of a search; what can be none of ours matches nothing."""
    try:
        return record_bytes(id, "_id")
    except HttpRefusal:
        return b""
