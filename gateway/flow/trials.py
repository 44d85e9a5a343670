"""Trials: a message that ends the whole process again and again is set aside, and everything else is served.

Theory of operation. An adapter's exception costs one message; a crash of the process costs all, and comes again with
the message at each start. So a run leaves a durable mark before it tries anything, and takes it away when it ends in
order. A start that finds the mark of its predecessor counts one end for everything that waits, and goes on in
named batches: who is in one is committed, with its count, before any of them is tried. Of a batch that was at hand in
a second end each message is tried alone, before all others, and the one that was alone in a third is quarantined. Once
everything that waited at the start is through, nothing is named any more: what comes from memory costs no write of its
own.

A machine that is killed from outside three times within moments of its start may set an innocent message aside. It is
kept, told and can be released, which is the cheaper mistake of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import msgspec
import structlog
from sqlalchemy import Connection

from gateway.errors import PageUnreadable
from gateway.flow.clock import micros
from gateway.store import messages, trials
from gateway.store.leading import Leadership
from gateway.store.opening import Store
from gateway.store.rows import Found

MOST_ENDS = 3
"""With so many ends of the process a message is set aside."""
ALONE = MOST_ENDS - 1
"""From so many ends on it is tried alone."""

log = structlog.get_logger(__name__)


Name = Callable[[Connection], None]
"""Commits what is about to be tried."""


class Trial(msgspec.Struct, frozen=True):
    """A message that is tried alone."""

    row: Found
    aside: bool
    """It is not tried again."""
    name: Name


class _Suspects(msgspec.Struct):
    """What waited when a process started after one that did not end in order."""

    upto: int
    """The newest of them."""
    counts: Mapping[int, int]
    """Ends in which a message was at hand by name."""
    others: int
    """Ends to count for every other one of them."""
    alone: list[int]
    """Those at hand at so many ends that they are tried alone, oldest first, as far as they are not through."""

    def count(self, message_id: int) -> int:
        return self.counts.get(message_id, self.others if message_id <= self.upto else 0)


class Trials:
    """What is tried by one process, tenant by tenant; all of it on the normalizer's thread or before that starts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seat = -1
        self._lock: Leadership | None = None
        self._suspects: dict[str, _Suspects] = {}

    def begin(self, tenant: str) -> None:
        """Mark that this process runs, and find out whether the one before it ended in order."""
        if self._seat < 0:
            self._seat, self._lock = self._store.seat()
        left = self._store.read_sync(partial(trials.left, tenant=tenant, seat=self._seat))
        if left is None:
            self._mark(tenant)
            return
        upto = self._store.read_sync(partial(trials.newest_waiting, tenant=tenant))
        waiting = self._store.read_sync(partial(trials.still_waiting, tenant=tenant, ids=left))
        counts = {message_id: count for message_id, count in left.items() if message_id in waiting}
        alone = sorted(message_id for message_id, count in counts.items() if count >= ALONE)
        self._suspects[tenant] = _Suspects(upto, counts, 0 if counts else 1, alone)
        log.warning("last-run-did-not-end-in-order", tenant=tenant, named=len(counts))

    def alone(self, tenant: str) -> Trial | None:
        """The oldest message that was at hand at several ends; None once all of them are through."""
        suspects = self._suspects.get(tenant)
        while suspects is not None and suspects.alone:
            one = suspects.alone[0]
            rows: Sequence[Found] = ()
            with suppress(PageUnreadable):  # without its bytes it ends no process: it has its turn as the others have
                rows = self._store.read_sync(partial(messages.pending, tenant=tenant, ids=[one]))
            if not rows:
                suspects.alone.pop(0)
                continue
            count = suspects.counts[one]
            if count >= MOST_ENDS:
                log.error("message-set-aside", tenant=tenant, message_id=one)
            return Trial(rows[0], count >= MOST_ENDS, partial(self._put, tenant, _counted({one: count})))
        return None

    def naming(self, tenant: str, ids: Sequence[int]) -> Name | None:
        """What names these messages before they are tried; None once all that waited at the start is through."""
        suspects = self._suspects.get(tenant)
        if suspects is None:
            return None
        query = partial(trials.any_waits, tenant=tenant, upto=suspects.upto)
        if not any(one <= suspects.upto for one in ids) and not self._store.read_sync(query):
            del self._suspects[tenant]
            self._mark(tenant)
            return None
        return partial(self._put, tenant, _counted({one: suspects.count(one) for one in ids}))

    def end(self, tenant: str) -> None:
        """This process ends in order; while suspects are left their counts stand."""
        if tenant not in self._suspects:
            self._store.write_sync(partial(trials.end, tenant=tenant, seat=self._seat))

    def close(self) -> None:
        """Leave the seat to the next process."""
        if self._lock is not None:
            self._lock.close()

    def _mark(self, tenant: str) -> None:
        self._store.write_sync(partial(self._put, tenant, {}))

    def _put(self, tenant: str, named: Mapping[int, int], connection: Connection) -> None:
        trials.put(connection, tenant, self._seat, named, micros())


def _counted(counts: Mapping[int, int]) -> dict[int, int]:
    """What stands if the process ends with them at hand."""
    return {message_id: min(count + 1, MOST_ENDS) for message_id, count in counts.items()}
