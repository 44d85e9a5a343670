"""The journal: positions without a gap and in commit order, whoever writes, and readers that never skip."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.store import journal, writer
from gateway.store.opening import Store
from gateway.store.schema import LANES
from tests.integration.parts import TENANT, Parts, Place
from tests.waiting import PATIENCE

WRITERS = 8
BUSY = 6
"""Lanes the writers fight for: few, so that they meet."""


def row(lane: int, position: int, who: int, number: int) -> dict[str, Any]:
    """A change as the journal holds it; the record id tells who wrote it."""
    name = who.to_bytes(8, "big") + number.to_bytes(8, "big")
    return {
        "tenant": TENANT, "lane": lane, "position": position, "kind": "created", "record_id": name, "type": "Patient",
        "source": "told", "version": 1, "patient": name, "location": None, "message_id": who, "mapping": None,
        "adapter": "told/1", "at": 0, "observed_at": 0, "partner_lane": None, "partner_position": None,
        "key_id": None, "wrapped": None, "box": None, "left_location": None,
    }  # fmt: skip


def appending(who: int, number: int, lanes: list[int], fail: bool) -> Callable[[Connection], None]:
    """A unit of work that appends one change to each of these lanes, some of which undo themselves."""

    def unit(connection: Connection) -> None:
        heads = journal.lock_heads(connection, TENANT, lanes)
        rows = [row(lane, head + 1, who, number) for lane, head in heads.items()]
        journal.append(connection, TENANT, rows, {lane: head + 1 for lane, head in heads.items()})
        if fail:
            raise ValueError("undone")

    return unit


class Reader(threading.Thread):
    """Follows every lane from where it stands, as a route does, and notes what it saw in which order."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.seen: dict[int, list[tuple[int, bytes]]] = {lane: [] for lane in range(LANES)}
        self.faults: list[str] = []
        self.over = threading.Event()
        self._store = store

    def run(self) -> None:
        """Read until told that it is over, and once more."""
        last = False
        while not last:
            last = self.over.is_set()
            for lane in range(BUSY):
                self._follow(lane)

    def _follow(self, lane: int) -> None:
        seen = self.seen[lane]
        found = self._store.read_sync(lambda c: journal.after(c, TENANT, lane, len(seen), 50))
        for change in found:
            if change.position != len(seen) + 1:
                self.faults.append(f"lane {lane}: {change.position} came after {len(seen)}")
            seen.append((change.position, bytes(change.record_id)))


def write(store: Store, who: int, rounds: int, together: int) -> int:
    """One writer's load: several units at a time, so that they share commits; how many took effect."""
    chance = random.Random(who)
    made = 0
    for start in range(0, rounds, together):
        futures = []
        for number in range(start, start + together):
            lanes = chance.sample(range(BUSY), chance.randint(1, 3))
            futures.append((lanes, store.submit(appending(who, number, lanes, chance.random() < 0.1))))
        for lanes, future in futures:
            failure = future.exception(PATIENCE)
            assert failure is None or isinstance(failure, ValueError), failure
            made += len(lanes) if failure is None else 0
    return made


@pytest.mark.parametrize("together", [1, 6])
def test_positions_have_no_gap_and_readers_never_skip(place: Place, scale: Callable[[int], int], together: int) -> None:
    """Eight writers on PostgreSQL, one on the embedded store: every lane counts 1, 2, 3 ... as every reader sees it."""
    count = WRITERS if place.url != "embedded" else 1
    opened = [place.open() for _ in range(count)]
    made = [0] * count
    errors: list[BaseException] = []

    def run(who: int) -> None:
        try:
            made[who] = write(opened[who].store, who, scale(36), together)
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            errors.append(error)

    try:
        readers = [Reader(opened[0].store), Reader(opened[-1].store)]
        writers = [threading.Thread(target=run, args=(number,)) for number in range(count)]
        for thread in [*readers, *writers]:
            thread.start()
        for thread in writers:
            thread.join()
        for reader in readers:
            reader.over.set()
            reader.join()
        assert errors == []
        heads = opened[0].store.read_sync(lambda connection: journal.heads(connection, TENANT))
    finally:
        for parts in opened:
            parts.close()
    assert sum(heads.values()) == sum(made) > 0
    for reader in readers:
        assert reader.faults == []
        assert {lane: len(seen) for lane, seen in reader.seen.items()} == heads
    assert readers[0].seen == readers[1].seen


def test_groups_that_wait_for_each_other_both_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes whose groups lock two lanes in opposite order are undone and run again; nobody hears of it."""
    if place.url == "embedded":
        pytest.skip("one process serves an embedded store")
    monkeypatch.setattr(writer, "GROUP_SECONDS", 5.0)
    opened = [place.open(), place.open()]
    both = threading.Barrier(2, timeout=60)

    def meeting(connection: Connection) -> None:
        with suppress(threading.BrokenBarrierError):  # passed once; a second run finds it broken
            both.wait()
        both.abort()

    def hold(connection: Connection) -> None:
        time.sleep(0.05)

    try:
        futures = []
        for at, parts in enumerate(opened):
            lanes = [1, 2] if at == 0 else [2, 1]
            parts.store.submit(hold)
            futures.append(parts.store.submit(appending(at, 0, lanes[:1], fail=False)))
            futures.append(parts.store.submit(meeting))
            futures.append(parts.store.submit(appending(at, 1, lanes[1:], fail=False)))
        assert [future.exception(PATIENCE) for future in futures] == [None] * 6
        assert opened[0].store.healthy
        assert opened[1].store.healthy
        heads = opened[0].store.read_sync(lambda connection: journal.heads(connection, TENANT))
        assert (heads[1], heads[2]) == (2, 2)
    finally:
        for parts in opened:
            parts.close()


def test_lanes_are_made_once_and_keep_their_heads(parts: Parts) -> None:
    """Making a tenant's lanes again, in two processes at once, neither doubles nor resets a head."""
    parts.store.write_sync(appending(0, 0, [3], fail=False))
    second = parts.place.open()
    try:
        second.store.write_sync(lambda connection: journal.ensure_lanes(connection, TENANT))
        heads = second.store.read_sync(lambda connection: journal.heads(connection, TENANT))
    finally:
        second.close()
    assert len(heads) == LANES
    assert heads[3] == 1
    assert sum(heads.values()) == 1


def test_tenants_do_not_share_lanes(store: Store) -> None:
    """A second tenant's journal begins at its own zero."""
    store.write_sync(lambda connection: journal.ensure_lanes(connection, "southside"))
    store.write_sync(appending(0, 0, [1, 2], fail=False))
    heads = store.read_sync(lambda connection: journal.heads(connection, "southside"))
    assert heads == dict.fromkeys(range(LANES), 0)
    assert store.read_sync(lambda connection: journal.after(connection, "southside", 1, 0, 10)) == []


def test_reading_on_looks_at_what_is_new_and_not_at_the_whole_journal(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded store finds each lane's stretch by its place; a scan of a million changes took nine seconds."""
    if store.dialect != "sqlite":
        pytest.skip("the plan is SQLite's own; PostgreSQL chooses by its statistics")
    store.write_sync(lambda connection: journal.ensure_lanes(connection, TENANT))
    plans: list[str] = []

    def explained(connection: Connection) -> None:
        plain = Connection.exec_driver_sql

        def asked(self: Connection, text: str, parameters: Any = None) -> Any:
            plans.extend(str(row[3]) for row in plain(self, f"EXPLAIN QUERY PLAN {text}", parameters))
            return plain(self, text, parameters)

        with monkeypatch.context() as patch:
            patch.setattr(Connection, "exec_driver_sql", asked)
            journal.between(connection, TENANT, {1: (0, 5), 2: (3, 9)})

    store.read_sync(explained)
    looks = [plan for plan in plans if "changes" in plan]
    assert looks
    assert all("lane=?" in plan and "position>?" in plan for plan in looks), looks
