"""Route: which changes a route wants, and how it reads the journal without skipping or overtaking.

Theory of operation. A route has a position in each lane. It reads on from there; what does not match its filter is
passed by, what belongs to a patient that waits is set aside behind it, the rest is offered for delivery. A barrier is
passed in both lanes at once or not at all, so nothing of a merged patient overtakes what came before the merge.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row

from gateway.errors import PageUnreadable
from gateway.store import deliveries, journal
from gateway.store.opening import Store
from gateway.store.unreadable import NONE_LOST, UNREADABLE, Lost, between, lost_changes, read_apart, told_by_indexes

READ_PER_LANE = 256


@dataclass(frozen=True)
class Filter:
    """What a route wants; an empty set stands for everything. Locations are record ids.

    A change that takes a record elsewhere is wanted by who wants the location it left: see :meth:`lost`.
    """

    types: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    locations: frozenset[bytes] = frozenset()

    def matches(self, change: Any) -> bool:
        """Whether a journal row is this route's; barriers are nobody's."""
        if change.kind == "barrier":
            return False
        if self.types and change.type not in self.types:
            return False
        if self.sources and change.source not in self.sources:
            return False
        if not self.locations or change.location in self.locations or change.kind == UNREADABLE:
            return True
        return change.left_location in self.locations

    def lost(self, change: Any) -> bool:
        """Whether a change that it wants took the record out of its locations: then it is told that it is gone."""
        return bool(self.locations) and change.location not in self.locations

    @property
    def text(self) -> str:
        """Canonical form, kept with each edition of a route so that a recount can apply it."""
        return json.dumps(
            {
                "types": sorted(self.types),
                "sources": sorted(self.sources),
                "locations": sorted(location.hex() for location in self.locations),
            },
            sort_keys=True,
        )

    @classmethod
    def parse(cls, text: str) -> Filter:
        """The reverse of :attr:`text`."""
        kept = json.loads(text)
        return cls(
            frozenset(kept["types"]),
            frozenset(kept["sources"]),
            frozenset(bytes.fromhex(location) for location in kept["locations"]),
        )


def order_key(change: Any) -> bytes:
    """What must keep its order at a sink: the patient, or the record itself when it is about no patient."""
    return bytes(change.record_id if change.patient is None else change.patient)


@dataclass
class Reading:
    """What one look at the journal found."""

    wanted: list[Row[Any]] = field(default_factory=list)
    behind: list[Row[Any]] = field(default_factory=list)
    barriers: list[Row[Any]] = field(default_factory=list)
    """Of merges: seen in the surviving patient's lane, to be waited for when the prior patient waits."""
    moved: dict[int, int] = field(default_factory=dict)


def read_on(
    connection: Connection, tenant: str, filter_: Filter, cursors: Mapping[int, int], parked: Iterable[bytes],
    most: int, lost: Lost = NONE_LOST,
) -> Reading:  # fmt: skip
    """Read every lane from where the route stands until ``most`` changes are wanted or the journal ends.

    ``lost`` are changes whose rows cannot be read: those that may be the route's are wanted as the others are.
    """
    heads = journal.heads(connection, tenant)
    waiting = set(parked)
    reading = Reading()
    stopped: dict[int, Row[Any]] = {}
    lanes = [lane for lane, head in heads.items() if head > cursors[lane]]
    share = -(-most // max(1, len(lanes)))
    while lanes and len(reading.wanted) < most:
        spans = _spans(_fair(lanes, cursors), {**cursors, **reading.moved}, heads, share)
        rows = between(connection, tenant, spans, lost)
        for lane, (_, high) in spans.items():
            if len(reading.wanted) >= most:
                break
            for row in rows[lane]:
                if row.kind == "barrier":
                    stopped[lane] = row
                    break
                if len(reading.wanted) >= most:
                    break
                _sort(row, filter_, waiting, reading)
                reading.moved[lane] = row.position
            else:
                reading.moved[lane] = high  # positions at the end without a change were kept for long enough
        share *= 2  # most of what was read is not wanted: fewer and longer looks
        lanes = [lane for lane in lanes if lane not in stopped and heads[lane] > reading.moved.get(lane, cursors[lane])]
        if share > READ_PER_LANE:
            break
    _pass_barriers(connection, tenant, cursors, stopped, reading)
    return reading


def _spans(
    lanes: list[int], stands: Mapping[int, int], heads: Mapping[int, int], share: int
) -> dict[int, tuple[int, int]]:
    """The next ``share`` positions of each lane."""
    return {lane: (stands[lane], min(heads[lane], stands[lane] + share)) for lane in lanes}


def _fair(lanes: list[int], cursors: Mapping[int, int]) -> list[int]:
    """Start at another lane each time, so that a busy one cannot starve the rest."""
    turn = sum(cursors.values()) % len(lanes)
    return lanes[turn:] + lanes[:turn]


def _sort(row: Row[Any], filter_: Filter, waiting: set[bytes], reading: Reading) -> None:
    if not filter_.matches(row):
        return
    (reading.behind if order_key(row) in waiting else reading.wanted).append(row)


def _pass_barriers(
    connection: Connection, tenant: str, cursors: Mapping[int, int], stopped: Mapping[int, Row[Any]], reading: Reading
) -> None:
    """Pass each barrier whose twin is next in its own lane too; within one lane it is its own twin."""
    for lane, barrier in stopped.items():
        if reading.moved.get(lane, cursors[lane]) >= barrier.position:
            continue
        other = barrier.partner_lane
        stands = reading.moved.get(other, cursors[other])
        if stands != barrier.partner_position - 1:
            continue
        twin = journal.after(connection, tenant, other, stands, 1)[0]
        reading.moved[lane] = barrier.position
        reading.moved[other] = barrier.partner_position
        pair = {(row.lane, row.position): row for row in (barrier, twin)}
        reading.barriers.extend(row for row in pair.values() if bytes(row.patient) != bytes(row.record_id))


def read_beside(
    store: Store, tenant: str, filter_: Filter, cursors: Mapping[int, int], parked: Iterable[bytes], most: int
) -> Reading:
    """As :func:`read_on`; a change whose own row cannot be read is named with what else is known of it."""
    try:
        return store.read_sync(lambda connection: read_on(connection, tenant, filter_, cursors, parked, most))
    except PageUnreadable:
        lost = lost_changes(store, tenant, cursors)
        return store.read_sync(lambda connection: read_on(connection, tenant, filter_, cursors, parked, most, lost))


def halted_keys(store: Store, tenant: str, route: str) -> set[bytes]:
    """Order keys of what one route has in quarantine; a patient's is told without reading the change itself."""
    held = store.read_sync(lambda connection: deliveries.held_places(connection, tenant, route))
    nobody = [(row.lane, row.position) for row in held if row.patient is None]
    found, unread = read_apart(store, lambda c, some: journal.at_places(c, tenant, some), nobody)
    lost = told_by_indexes(store, tenant, sorted(unread))
    rows = [*found.values(), *(change for lane in lost.values() for change in lane.values())]
    return {bytes(row.patient) for row in held if row.patient is not None} | {order_key(row) for row in rows}
