"""Turns: which of a tenant's waiting messages are normalized next.

Theory of operation. Each source has a row of its own and a batch is shared out among the rows, so a clinic that brings
years of history does not make the others wait. In a source's row, what a back-fill brought stands behind what happens
now. Messages of one lane never change places, for among them are those with the same order key: a live message brings
along what came before it in its lane, a sixty-fourth of a back-fill, and overtakes the rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heapreplace
from typing import Generic, Protocol, TypeVar

from gateway.flow.lanes import is_behind, order_lane


class Waiting(Protocol):
    """What turns have to know of a message; of one source, greater ids came later."""

    @property
    def message_id(self) -> int: ...

    @property
    def source(self) -> str: ...

    @property
    def lane(self) -> int: ...


M = TypeVar("M", bound=Waiting)


class Row(Generic[M]):
    """What waits of one source."""

    def __init__(self) -> None:
        self.live: deque[M] = deque()
        self.behind: dict[int, deque[M]] = {}
        """By the lane it shares with what is live; no lane is empty."""

    def __iter__(self) -> Iterator[M]:
        for lane in self.behind.values():
            yield from lane
        yield from self.live

    def __bool__(self) -> bool:
        return bool(self.live or self.behind)

    def add(self, message: M) -> None:
        """One more, the newest."""
        if is_behind(message.lane):
            self.behind.setdefault(order_lane(message.lane), deque()).append(message)
        else:
            self.live.append(message)

    def take(self, most: int) -> list[M]:
        """The next ones, at most so many: live ones, each after its elders of the same lane, then the others."""
        if not self.behind:
            return [self.live.popleft() for _ in range(min(most, len(self.live)))]
        taken: list[M] = []
        while self.live and len(taken) < most:
            elder = self._elder(self.live[0])
            taken.append(self.live.popleft() if elder is None else elder)
        return taken + self._oldest(most - len(taken))

    def _elder(self, live: M) -> M | None:
        """The next of what came before this message in its lane."""
        number = order_lane(live.lane)
        lane = self.behind.get(number)
        if lane is None or lane[0].message_id > live.message_id:
            return None
        elder = lane.popleft()
        if not lane:
            del self.behind[number]
        return elder

    def _oldest(self, most: int) -> list[M]:
        """What a back-fill brought, in order of arrival."""
        first = [(lane[0].message_id, number) for number, lane in self.behind.items()]
        heapify(first)
        taken: list[M] = []
        while first and len(taken) < most:
            number = first[0][1]
            lane = self.behind[number]
            taken.append(lane.popleft())
            if lane:
                heapreplace(first, (lane[0].message_id, number))
            else:
                heappop(first)
                del self.behind[number]
        return taken


class Turns(Generic[M]):
    """What waits of one tenant."""

    def __init__(self, messages: Iterable[M] = ()) -> None:
        self._rows: dict[str, Row[M]] = {}
        self.add(messages)

    def __iter__(self) -> Iterator[M]:
        """Everything; of each source and lane in order of arrival."""
        for row in self._rows.values():
            yield from row

    def add(self, messages: Iterable[M]) -> None:
        """Newer ones than those that wait."""
        for message in messages:
            row = self._rows.get(message.source)
            if row is None:
                row = self._rows[message.source] = Row()
            row.add(message)

    def take(self, most: int) -> list[M]:
        """The next ones, at most so many: an equal share of each source, and what one leaves of it for the others."""
        taken: list[M] = []
        names = list(self._rows)
        while names and len(taken) < most:
            share = max(1, (most - len(taken)) // len(names))
            served = names[: most - len(taken)]
            for name in served:
                row = self._rows.pop(name)
                taken += row.take(min(share, most - len(taken)))
                if row:
                    self._rows[name] = row  # at the end: whoever was not served is the first next time
            names = [name for name in names if name in self._rows]
        return taken
