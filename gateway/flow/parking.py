"""Parking: which patients of a route wait, for what, and until when.

A patient waits because its first change must be tried again later, because that change is in quarantine on a route
that halts, or because it was merged with a patient who waits. What comes later for it waits behind. Memory mirrors the
``waiting`` table: it is changed only after the commit that changed the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from gateway.flow.words import stored_word
from gateway.store import deliveries

NEVER = 2**62
"""Due time of what waits for somebody else, not for the clock."""
BEHIND = deliveries.BEHIND
MERGE = "merge:"
"""Waits until nothing waits any more of the patient merged into this one, from before the merge: id and position."""
DOUBT = deliveries.DOUBT
"""Its last attempt may have happened."""


class Waiting(msgspec.Struct, frozen=True):
    """One change that waits."""

    order_key: bytes
    lane: int
    position: int
    attempts: int
    due_at: int
    reason: str


class Parking:
    """The waiting room of one route."""

    def __init__(self, tenant: str, route: str) -> None:
        self._tenant = tenant
        self._route = route
        self._queues: dict[bytes, list[Waiting]] = {}
        self._halted: set[bytes] = set()

    @property
    def keys(self) -> set[bytes]:
        """Patients (or records of no patient) whose new changes must wait."""
        return set(self._queues) | self._halted

    @property
    def count(self) -> int:
        """How many changes wait."""
        return sum(map(len, self._queues.values()))

    def load(self, rows: Iterable[Any], halted: Iterable[bytes]) -> None:
        """Begin with what the store holds."""
        self._queues = {}
        self._halted = set(halted)
        for row in rows:
            self._add(Waiting(bytes(row.order_key), row.lane, row.position, row.attempts, row.due_at, row.reason))

    def due(self, now: int, most: int) -> list[Waiting]:
        """Changes whose turn has come: of each patient the first, and with it those that only waited behind it."""
        taken: list[Waiting] = []
        for key, queue in self._queues.items():
            if len(taken) >= most:
                break
            if key in self._halted or not self._ready(queue[0], now):
                continue
            for one in queue:
                if len(taken) >= most or (one is not queue[0] and one.reason != BEHIND):
                    break
                taken.append(one)
        return taken

    def _ready(self, head: Waiting, now: int) -> bool:
        if head.reason == BEHIND:
            return True
        if head.reason.startswith(MERGE):
            name, _, position = head.reason.removeprefix(MERGE).partition(":")
            prior = bytes.fromhex(name)
            before = (one for one in self._queues.get(prior, ()) if one.position < int(position))
            return prior not in self._halted and next(before, None) is None
        return head.due_at <= now

    def next_due_seconds(self, now: int, most: float) -> float:
        """Seconds until the clock makes something due, at most ``most``."""
        due = [queue[0].due_at for key, queue in self._queues.items() if key not in self._halted]
        return max(0.01, min([most, *((at - now) / 1_000_000 for at in due)]))

    def behind(self, changes: Sequence[Any], now: int) -> list[dict[str, Any]]:
        """Rows for changes that must wait behind their patient's first."""
        return [
            self.row(bytes(change.patient or change.record_id), change.lane, change.position, 0, now, BEHIND)
            for change in changes
        ]

    def merges(self, barriers: Sequence[Any], going: AbstractSet[bytes]) -> list[dict[str, Any]]:
        """Rows that hold a surviving patient back while the patient merged into it waits, or is ``going`` just now."""
        held = self.keys | going
        return [
            self.row(
                bytes(barrier.patient), barrier.lane, barrier.position, 0, NEVER,
                f"{MERGE}{bytes(barrier.record_id).hex()}:{barrier.partner_position}",
            )
            for barrier in barriers
            if bytes(barrier.record_id) in held
        ]  # fmt: skip

    def row(self, key: bytes, lane: int, position: int, attempts: int, due_at: int, reason: str) -> dict[str, Any]:
        """A row of the ``waiting`` table."""
        return {
            "tenant": self._tenant, "route": self._route, "order_key": key, "lane": lane, "position": position,
            "attempts": attempts, "due_at": due_at, "reason": stored_word(reason, 120),
        }  # fmt: skip

    def leave(self, one: Waiting) -> dict[str, Any]:
        """The key of a row that leaves the ``waiting`` table."""
        return {
            "b_tenant": self._tenant, "b_route": self._route, "b_key": one.order_key, "b_lane": one.lane,
            "b_position": one.position,
        }  # fmt: skip

    def took(self, taken: Iterable[Waiting]) -> None:
        """The commit that took these out is synced."""
        gone: dict[bytes, set[tuple[int, int]]] = {}
        for one in taken:
            gone.setdefault(one.order_key, set()).add((one.lane, one.position))
        for key, places in gone.items():
            left = [one for one in self._queues[key] if (one.lane, one.position) not in places]
            if left:
                self._queues[key] = left
            else:
                del self._queues[key]

    def put(self, rows: Iterable[dict[str, Any]]) -> None:
        """The commit that put these in is synced."""
        for row in rows:
            self._add(
                Waiting(row["order_key"], row["lane"], row["position"], row["attempts"], row["due_at"], row["reason"])
            )

    def halt(self, key: bytes) -> None:
        """A change of this patient was quarantined on a route that halts: the rest waits for a person."""
        self._halted.add(key)

    def _add(self, one: Waiting) -> None:
        queue = self._queues.setdefault(one.order_key, [])
        queue.append(one)
        queue.sort(key=lambda waiting: (waiting.lane, waiting.position))
