"""The one writer: results mean synced, units fail alone, a failed commit fails everybody and mends itself."""

from __future__ import annotations

import asyncio
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, text

from gateway.errors import StoreUnavailable
from gateway.store import writer as writing
from gateway.store.opening import Store
from gateway.store.schema import blocks, texts
from tests.integration.parts import Parts
from tests.waiting import PATIENCE


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group ends when nothing waits, not when a busy machine has been slow for two milliseconds."""
    monkeypatch.setattr(writing, "GROUP_SECONDS", 5.0)


def keep(name: int, size: int = 10) -> Callable[[Connection], int]:
    """A unit of work that writes one row."""

    def unit(connection: Connection) -> int:
        connection.execute(insert(texts).values(hash=name.to_bytes(32, "big"), kind="mapping", body="x" * size))
        return name

    return unit


def kept(store: Store) -> set[int]:
    """Names of the rows that a reader sees."""
    found = store.read_sync(lambda connection: connection.execute(select(texts.c.hash)).scalars().all())
    return {int.from_bytes(name, "big") for name in found if bytes(name)[:20] == bytes(20)}


def damage(connection: Connection) -> None:
    """A unit that meets a real fault: a full disk, or a database server that hangs up."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("select pg_terminate_backend(pg_backend_pid())"))
        return
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    connection.execute(insert(texts).values(hash=b"\xff" * 32, kind="mapping", body="x" * 1_000_000))


@contextmanager
def held(store: Store) -> Iterator[None]:
    """Keep the writer busy, so that what is submitted meanwhile becomes one group."""
    go = threading.Event()
    store.submit(lambda connection: go.wait(PATIENCE))
    yield
    go.set()


def test_a_result_is_given_only_after_the_commit(store: Store) -> None:
    """When a unit's result is there, another connection sees what the unit wrote."""
    for name in range(50):
        assert store.write_sync(keep(name)) == name
        assert name in kept(store)


def test_nothing_is_seen_before_the_group_commits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a group is open no result is given and no reader sees any of it."""
    monkeypatch.setattr(writing, "GROUP_SECONDS", 5.0)
    running, go = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        keep(2)(connection)
        running.set()
        go.wait(PATIENCE)

    with held(store):
        first = store.submit(keep(1))
        second = store.submit(slow)
    assert running.wait(PATIENCE)
    assert not first.done()
    assert kept(store) == set()
    go.set()
    second.result(PATIENCE)
    assert first.result(PATIENCE) == 1
    assert kept(store) == {1, 2}


def test_units_share_a_commit(store: Store) -> None:
    """Many units that wait together cost few commits, and none is lost."""
    before = store._writer.commits
    with held(store):
        futures = [store.submit(keep(name)) for name in range(200)]
    assert [future.result(PATIENCE) for future in futures] == list(range(200))
    assert kept(store) == set(range(200))
    assert store._writer.commits - before <= 200 // writing.GROUP_UNITS + 2


def test_a_failing_unit_undoes_itself_alone(store: Store) -> None:
    """A unit that raises, by its own fault or by a constraint, leaves nothing, and its neighbours stay."""

    def half(connection: Connection) -> None:
        keep(5)(connection)
        raise ValueError("half way")

    def twice(connection: Connection) -> None:
        keep(6)(connection)
        keep(1)(connection)

    with held(store):
        good = [store.submit(keep(1))]
        bad = [store.submit(half), store.submit(twice)]
        good.append(store.submit(keep(2)))
    assert [future.result(PATIENCE) for future in good] == [1, 2]
    assert isinstance(bad[0].exception(PATIENCE), ValueError)
    assert type(bad[1].exception(PATIENCE)).__name__ == "IntegrityError"
    assert kept(store) == {1, 2}
    assert store.healthy


def test_a_group_goes_on_after_its_first_unit_failed(store: Store) -> None:
    """What the first unit of a group wrote before it raised is gone; the units behind it are kept."""
    go = threading.Event()

    def first(connection: Connection) -> None:
        keep(3)(connection)
        go.wait(PATIENCE)
        raise ValueError("at the end")

    bad = store.submit(first)
    good = [store.submit(keep(name)) for name in (1, 2)]
    go.set()
    assert isinstance(bad.exception(PATIENCE), ValueError)
    assert [future.result(PATIENCE) for future in good] == [1, 2]
    assert kept(store) == {1, 2}


def test_a_fault_fails_the_whole_group_and_mends_itself(store: Store) -> None:
    """After a full disk or a lost server nobody of the group hears success, and the next unit finds a checked store."""
    with held(store):
        futures = [store.submit(keep(1)), store.submit(damage), store.submit(keep(2))]
    failures = [future.exception(PATIENCE) for future in futures[:2]]
    assert all(isinstance(failure, StoreUnavailable) for failure in failures)
    later = futures[2]
    told = later.exception(PATIENCE)
    assert told is None or isinstance(told, StoreUnavailable)
    assert store.write_sync(keep(3)) == 3
    assert store.healthy
    assert kept(store) == ({3} if told else {2, 3})


def test_it_is_unhealthy_until_reopened(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the failed commit until the store was opened and checked again it says so."""
    checked = threading.Event()
    go = threading.Event()
    opened = store._writer._open

    def slow() -> Connection:
        checked.set()
        go.wait(PATIENCE)
        return opened()

    failed = store.submit(damage)
    assert isinstance(failed.exception(PATIENCE), StoreUnavailable)
    monkeypatch.setattr(store._writer, "_open", slow)
    waiting = store.submit(keep(1))
    assert checked.wait(PATIENCE)
    assert not store.healthy
    go.set()
    assert waiting.result(PATIENCE) == 1
    assert store.healthy


def test_a_commit_that_the_system_refuses_gives_no_result(parts: Parts, tmp_path: Path) -> None:
    """When the operating system refuses the write of a commit, the unit fails, and works again once it may write."""
    store = parts.store
    if store.dialect != "sqlite":
        pytest.skip("the server writes its own files")
    store.write_sync(keep(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (tmp_path / "data" / "gateway.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        refused = store.submit(keep(2, 200_000)).exception(PATIENCE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(refused, StoreUnavailable)
    assert store.write_sync(keep(3)) == 3
    assert kept(store) == {1, 3}
    assert store.healthy


def test_a_caller_who_goes_away_does_not_end_the_writer(store: Store) -> None:
    """Units whose callers are cancelled while they wait or run leave the writer working for everybody else."""

    async def run() -> None:
        with held(store):
            waiting = [asyncio.create_task(store.write(keep(name))) for name in range(20)]
            await asyncio.sleep(0)
            for task in waiting[::2]:
                task.cancel()
            for _ in range(5):  # a cancellation takes some turns of the loop until it is at the unit
                await asyncio.sleep(0)
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert told[1::2] == list(range(1, 20, 2))
        for name in range(100, 120):
            task = asyncio.create_task(store.write(keep(name)))
            await asyncio.sleep(0.0005)
            task.cancel()
        assert await asyncio.wait_for(store.write(keep(200)), PATIENCE) == 200

    asyncio.run(run())
    assert set(range(1, 20, 2)) | {200} <= kept(store)
    assert not set(range(0, 20, 2)) & kept(store)
    assert store.healthy


def test_units_run_in_the_order_they_were_handed_in(store: Store) -> None:
    """The order of units is the order of submission, across groups."""
    ran: list[int] = []
    futures = [store.submit(lambda connection, name=name: ran.append(name)) for name in range(300)]
    for future in futures:
        future.result(PATIENCE)
    assert ran == list(range(300))


def test_numbers_are_never_given_twice(parts: Parts) -> None:
    """Ids from several threads and after a restart are all different, and each process's own only grow."""
    taken: list[list[int]] = [[], [], []]

    def take(mine: list[int]) -> None:
        mine.extend(parts.store.next_id() for _ in range(3000))

    threads = [threading.Thread(target=take, args=(mine,)) for mine in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [number for mine in taken for number in mine]
    assert len(set(every)) == 9000
    assert all(mine == sorted(mine) for mine in taken)
    second = parts.place.open()
    try:
        assert second.store.next_id() > max(every)
    finally:
        second.close()
    assert parts.store.read_sync(lambda c: c.execute(select(func.count()).select_from(blocks)).scalar_one()) == 1


def test_reading_a_store_that_is_gone_is_told_as_such(parts: Parts) -> None:
    """A query that the database cannot answer raises StoreUnavailable and names no value."""
    if parts.store.dialect == "sqlite":
        path = parts.place.folder / "data" / "gateway.db"
        parts.store._reading.dispose()
        path.rename(path.with_suffix(".away"))
        path.mkdir()
        query = select(texts)
    else:
        query = select(text("pg_terminate_backend(pg_backend_pid())"))
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        parts.store.read_sync(lambda connection: connection.execute(query).fetchall())
    assert time.monotonic() - started < 30
