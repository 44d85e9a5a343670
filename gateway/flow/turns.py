"""Turns: which of a tenant's waiting messages are normalized next.

Theory of operation. Each source has a row of its own and a batch is shared out among the rows, so a clinic that brings
years of history does not make the others wait. In a source's row, what a back-fill brought stands behind what happens
now. Messages of one lane never change places, for among them are those with the same order key: a live message brings
along what came before it in its lane, a sixty-fourth of a back-fill, and overtakes the rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
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
        self.behind: deque[M] = deque()

    def __iter__(self) -> Iterator[M]:
        yield from self.behind
        yield from self.live

    def __bool__(self) -> bool:
        return bool(self.live or self.behind)

    def add(self, message: M) -> None:
        """One more, the newest."""
        (self.behind if is_behind(message.lane) else self.live).append(message)

    def take(self, most: int) -> list[M]:
        """The next ones, at most so many: live ones, each after its elders of the same lane, then the others."""
        taken = self._with_elders(most) if self.behind and self.live else _pop(self.live, most)
        if not self.live:
            taken += _pop(self.behind, most - len(taken))
        return taken

    def _with_elders(self, most: int) -> list[M]:
        elders: dict[int, deque[M]] = {order_lane(one.lane): deque() for one in islice(self.live, most)}
        rest: deque[M] = deque()
        for one in self.behind:
            elders.get(order_lane(one.lane), rest).append(one)
        taken: list[M] = []
        while self.live and len(taken) < most:
            live = self.live[0]
            before = elders[order_lane(live.lane)]
            while before and before[0].message_id < live.message_id and len(taken) < most:
                taken.append(before.popleft())
            if len(taken) < most:
                taken.append(self.live.popleft())
        for left in elders.values():
            rest.extendleft(reversed(left))
        self.behind = rest
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


def _pop(messages: deque[M], most: int) -> list[M]:
    return [messages.popleft() for _ in range(min(most, len(messages)))]
