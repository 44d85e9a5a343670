"""Trials: ends of the process are counted for what was at hand, and what was alone in the third is set aside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.flow.quarantine import held, release
from gateway.flow.trials import Trials
from gateway.store import messages
from tests.integration.parts import TENANT, Parts, Place, message, patient
from tests.waiting import wait_until


@contextmanager
def run(place: Place) -> Iterator[tuple[Parts, Trials]]:
    """One run of a process that does not end in order."""
    parts = place.open()
    trials = Trials(parts.store)
    trials.begin(TENANT)
    try:
        yield parts, trials
    finally:
        trials.close()  # as the end of a session does
        parts.close()


def tried(parts: Parts, trials: Trials, most: int = 10) -> tuple[int, bool] | None:
    """Name what is next, as before it is tried: how many messages, and whether they are set aside."""
    if (alone := trials.alone(TENANT)) is not None:
        parts.store.write_sync(alone.name)
        return 1, alone.aside
    ids = [row.message_id for row in parts.store.read_sync(lambda c: messages.waiting(c, TENANT))[:most]]
    name = trials.naming(TENANT, ids)
    if name is None:
        return None
    parts.store.write_sync(name)
    return len(ids), False


def test_three_ends_with_it_at_hand_set_a_message_aside(place: Place) -> None:
    """After one end all that waits is tried in named batches, after the second alone, after the third not again."""
    with run(place) as (parts, trials):
        asyncio.run(parts.accept(*(message(patient(f"p{n}", "A")) for n in range(6))))
        assert tried(parts, trials) is None
    with run(place) as (parts, trials):
        assert tried(parts, trials, most=4) == (4, False)
    with run(place) as (parts, trials):
        assert tried(parts, trials) == (1, False)
    with run(place) as (parts, trials):
        assert tried(parts, trials) == (1, True)


def test_what_follows_an_aside_is_tried_in_batches_again(place: Place) -> None:
    """Once the one is set aside the others are served together, and then nothing is named any more."""
    for _ in range(3):
        with run(place) as (parts, trials):
            if not parts.store.read_sync(lambda c: messages.pending_count(c, TENANT)):
                asyncio.run(parts.accept(*(message(patient(f"p{n}", "A")) for n in range(6))))
            tried(parts, trials)
    parts = place.open()
    parts.normalizer.start()
    wait_until(lambda: not parts.store.read_sync(lambda c: messages.pending_count(c, TENANT)))
    parts.normalizer.stop()
    ledger = parts.ledger()
    assert (ledger.normalized, ledger.quarantined, ledger.problems) == (5, {"crashed-thrice": 1}, [])
    [one] = parts.store.read_sync(lambda c: held(c, TENANT))
    release(parts.store, parts.audit, TENANT, one.id, "cli:test")
    parts.handoff.fall_behind(TENANT)
    parts.settle()
    assert parts.ledger().normalized == 6
    parts.close()


def test_an_end_in_order_counts_for_nothing(place: Place) -> None:
    """What waits when a process was told to end is taken up by the next one as if nothing had happened."""
    for _ in range(4):
        with run(place) as (parts, trials):
            asyncio.run(parts.accept(message(patient("p", "A"))))
            assert tried(parts, trials) is None
            trials.end(TENANT)


def test_processes_that_share_a_store_do_not_count_for_each_other(place: Place) -> None:
    """The mark of one that runs is no end; that of one that died is found by whoever takes its seat."""
    with run(place) as (parts, first):
        asyncio.run(parts.accept(message(patient("p", "A"))))
        if parts.store.dialect == "sqlite":
            pytest.skip("one process alone serves an embedded store")
        second = Trials(parts.store)
        second.begin(TENANT)
        assert tried(parts, second) is None
        first.close()
        third = Trials(parts.store)
        third.begin(TENANT)
        assert tried(parts, third) == (1, False)
        second.close()
        third.close()
