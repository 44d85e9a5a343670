"""The ledger of one route: every change its filter wanted is delivered, suppressed, quarantined, expired or pending."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.flow.route import Filter, order_key
from gateway.store import deliveries, recount
from gateway.store.rows import Found

Report = Callable[[str, str, str], None]
Place = tuple[int, int]
"""(lane, position)."""
Ending = tuple[str, str]
"""(outcome, reason)."""


class RouteCount(msgspec.Struct, frozen=True, kw_only=True):
    """The recount of one route."""

    route: str
    matching: int
    delivered: int
    suppressed: dict[str, int]
    quarantined: dict[str, int]
    expired: int
    pending: int


class Editions:
    """Which filter held for a route at a position of a lane."""

    def __init__(self, rows: list[tuple[str, list[int]]]) -> None:
        self._filters = [Filter.parse(text) for text, _ in rows]
        self._starts = [start for _, start in rows]

    def wants(self, lane: int, position: int, change: object) -> bool:
        """Whether the filter in force when the route came by wanted the change."""
        if not 0 <= lane < recount.LANES:  # the row is damaged, and no filter was ever asked about it
            return False
        edition = bisect_right([start[lane] for start in self._starts], position - 1) - 1
        return edition >= 0 and self._filters[edition].matches(change)


class Merges:
    """Whether every surviving patient waits while something waits of the patient merged into it, from before that."""

    def __init__(self) -> None:
        self._under_way: dict[bytes, int] = {}
        self._survivors: list[tuple[tuple[int, int], bytes, int]] = []

    def see(self, change: Any, *, under_way: bool) -> None:
        """Take note of one journal row, in order of lane and position."""
        if change.kind != "barrier":
            if under_way:
                self._under_way.setdefault(order_key(change), change.position)
        elif bytes(change.patient) != bytes(change.record_id):
            place = (change.lane, change.position)
            self._survivors.append((place, bytes(change.record_id), change.partner_position))

    def unheld(self, cursors: Mapping[int, int], waiting: AbstractSet[tuple[int, int]]) -> list[tuple[int, int]]:
        """Barriers the route passed whose survivor ought to wait and does not."""
        return [
            place
            for place, prior, merged_at in self._survivors
            if place[1] <= cursors.get(place[0], 0)
            and self._under_way.get(prior, merged_at) < merged_at
            and place not in waiting
        ]


def count(
    connection: Connection, tenant: str, route: str, changes: Iterable[Found], report: Report, lane: int | None = None
) -> RouteCount:
    """Recount one route, or one lane of it; what does not add up is reported as (rule, row, what was found).

    ``changes`` are the journal's rows, or the lane's, in order. Deliveries are read beside them, in the same order, so
    that neither is ever in memory whole.
    """
    known = deliveries.editions(connection, tenant, route)
    if not known or [row.edition for row in known] != list(range(1, len(known) + 1)):
        report("route-has-editions", f"route {route}", "a row that keeps one of its filters is missing")
    editions = _editions(route, known, report)
    cursors = deliveries.cursors(connection, tenant, route)
    for lost in sorted(set(range(recount.LANES)) - set(cursors)):
        report("route-has-cursor", f"route {route} lane {lost}", "its cursor row is missing")
    claimed = {
        (lane, position)
        for claim in deliveries.open_claims(connection, tenant, route)
        for lane, position, _ in json.loads(claim.items)
    }
    waiting = {(row.lane, row.position) for row in deliveries.waiting_of(connection, tenant, route)}
    under_way = claimed | waiting
    tally: Counter[tuple[str, str]] = Counter()
    merges = Merges()
    ended = _Ended(_endings(connection, tenant, route, report, lane), route, report)
    for change in changes:
        place = (change.lane, change.position)
        last = ended.of(place)
        merges.see(change, under_way=last is None and place in under_way)
        if not editions.wants(change.lane, change.position, change):
            continue
        state = _state(place, last, place in under_way, cursors.get(change.lane, 0))
        tally[state] += 1
        if state[0] == "lost":
            report("change-accounted", _row(route, place), state[1])
    ended.rest()
    for place in merges.unheld(cursors, waiting):
        report("merge-is-waited-for", _row(route, place), "the survivor does not wait")
    return RouteCount(
        route=route,
        matching=tally.total(),
        delivered=tally["delivered", ""],
        suppressed=_by_reason(tally, "suppressed"),
        quarantined=_by_reason(tally, "quarantined"),
        expired=sum(n for (outcome, _), n in tally.items() if outcome == "expired"),
        pending=tally["pending", ""],
    )


def _editions(route: str, known: Sequence[Found], report: Report) -> Editions:
    """The filters a route has had; none when one of them is no filter any more, which is reported."""
    try:
        return Editions([(row.filter, json.loads(row.start)) for row in known])
    except (ValueError, TypeError, KeyError):
        report("route-has-editions", f"route {route}", "a row that keeps one of its filters was changed")
        return Editions([])


def _state(place: Place, last: Ending | None, under_way: bool, cursor: int) -> Ending:
    """Where one wanted change stands; exactly one place may hold it."""
    ahead = place[1] > cursor
    if last is not None and last[0] != "released":
        if under_way or ahead:
            return ("lost", "it is delivered and still pending")
        return ("delivered", "") if last[0] == "delivered" else last
    if under_way or ahead:
        return ("pending", "")
    return ("lost", "it has no delivery row, no claim, and nothing waits for it")


class _Ended:
    """The last delivery row of each change, for changes that are asked about in the journal's order."""

    def __init__(self, endings: Iterator[tuple[Place, Ending]], route: str, report: Report) -> None:
        self._endings = endings
        self._next = next(endings, None)
        self._route = route
        self._report = report

    def of(self, place: Place) -> Ending | None:
        """How this change ended; what comes before it belongs to no change and is reported."""
        while self._next is not None and self._next[0] < place:
            self._surplus(self._next[0])
        if self._next is None or self._next[0] != place:
            return None
        found = self._next[1]
        self._next = next(self._endings, None)
        return found

    def rest(self) -> None:
        """The journal is at its end."""
        while self._next is not None:
            self._surplus(self._next[0])

    def _surplus(self, place: Place) -> None:
        self._report("delivery-has-change", _row(self._route, place), "delivered, but not wanted or gone")
        self._next = next(self._endings, None)


def _endings(
    connection: Connection, tenant: str, route: str, report: Report, lane: int | None
) -> Iterator[tuple[Place, Ending]]:
    """The last delivery row of each change in the journal's order, after a look at the sequence of all of them."""
    rows = deliveries.outcomes(connection, tenant, route, lane)
    for place, attempts in groupby(rows, key=lambda row: (row.lane, row.position)):
        expected, ending = 0, ("", "")
        for row in attempts:
            if row.attempt != expected:
                report("deliveries-in-sequence", _row(route, place), "a row is missing")
            expected, ending = row.attempt + 1, (row.outcome, row.reason)
        yield place, ending


def _row(route: str, place: Place) -> str:
    return f"route {route} lane {place[0]} position {place[1]}"


def _by_reason(tally: Counter[tuple[str, str]], outcome: str) -> dict[str, int]:
    return {reason: n for (kind, reason), n in sorted(tally.items()) if kind == outcome}
