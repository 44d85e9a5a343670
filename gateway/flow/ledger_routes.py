"""The ledger of one route: every change its filter wanted is delivered, suppressed, quarantined, expired or pending."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.flow.route import Filter, order_key
from gateway.store import deliveries, recount
from gateway.store.rows import Found

Report = Callable[[str, str, str], None]


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

    ``changes`` are the journal's rows, or the lane's, in order.
    """
    known = deliveries.editions(connection, tenant, route)
    if not known or [row.edition for row in known] != list(range(1, len(known) + 1)):
        report("route-has-editions", f"route {route}", "a row that keeps one of its filters is missing")
    editions = Editions([(row.filter, json.loads(row.start)) for row in known])
    cursors = deliveries.cursors(connection, tenant, route)
    for lost in sorted(set(range(recount.LANES)) - set(cursors)):
        report("route-has-cursor", f"route {route} lane {lost}", "its cursor row is missing")
    claimed = {
        (lane, position)
        for claim in deliveries.open_claims(connection, tenant, route)
        for lane, position, _ in json.loads(claim.items)
    }
    waiting = {(row.lane, row.position) for row in deliveries.waiting_of(connection, tenant, route)}
    ended = _ended(connection, tenant, route, report, lane)
    tally: Counter[tuple[str, str]] = Counter()
    matching = 0
    merges = Merges()
    for change in changes:
        place = (change.lane, change.position)
        last = ended.pop(place, None)
        merges.see(change, under_way=last is None and (place in claimed or place in waiting))
        if not editions.wants(change.lane, change.position, change):
            continue
        matching += 1
        state = _state(place, last, place in claimed or place in waiting, cursors.get(change.lane, 0))
        tally[state] += 1
        if state[0] == "lost":
            report("change-accounted", f"route {route} lane {place[0]} position {place[1]}", state[1])
    for held, position in merges.unheld(cursors, waiting):
        report("merge-is-waited-for", f"route {route} lane {held} position {position}", "the survivor does not wait")
    for held, position in sorted(ended):
        report(
            "delivery-has-change", f"route {route} lane {held} position {position}", "delivered, but not wanted or gone"
        )
    return RouteCount(
        route=route,
        matching=matching,
        delivered=tally["delivered", ""],
        suppressed=_by_reason(tally, "suppressed"),
        quarantined=_by_reason(tally, "quarantined"),
        expired=sum(n for (outcome, _), n in tally.items() if outcome == "expired"),
        pending=tally["pending", ""],
    )


def _state(place: tuple[int, int], last: tuple[str, str] | None, under_way: bool, cursor: int) -> tuple[str, str]:
    """Where one wanted change stands; exactly one place may hold it."""
    ahead = place[1] > cursor
    if last is not None and last[0] != "released":
        if under_way or ahead:
            return ("lost", "it is delivered and still pending")
        return ("delivered", "") if last[0] == "delivered" else last
    if under_way or ahead:
        return ("pending", "")
    return ("lost", "it has no delivery row, no claim, and nothing waits for it")


def _ended(
    connection: Connection, tenant: str, route: str, report: Report, lane: int | None
) -> dict[tuple[int, int], tuple[str, str]]:
    """The last delivery row of each change, after a look at the sequence of all of them."""
    ended: dict[tuple[int, int], tuple[str, str]] = {}
    attempts: dict[tuple[int, int], int] = {}
    for row in deliveries.outcomes(connection, tenant, route, lane):
        place = (row.lane, row.position)
        expected = attempts.get(place, -1) + 1
        if row.attempt != expected:
            report(
                "deliveries-in-sequence", f"route {route} lane {row.lane} position {row.position}", "a row is missing"
            )
        attempts[place] = row.attempt
        ended[place] = (row.outcome, row.reason)
    return ended


def _by_reason(tally: Counter[tuple[str, str]], outcome: str) -> dict[str, int]:
    return {reason: n for (kind, reason), n in sorted(tally.items()) if kind == outcome}
