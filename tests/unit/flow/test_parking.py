"""Parking: who waits for what, told from the rows alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.flow.parking import BEHIND, MERGE, NEVER, Parking

ANN, BOB = b"A" * 16, b"B" * 16


def row(key: bytes, position: int, reason: str = BEHIND, due_at: int = 0, lane: int = 0) -> SimpleNamespace:
    """A row of the waiting table."""
    return SimpleNamespace(order_key=key, lane=lane, position=position, attempts=0, due_at=due_at, reason=reason)


def parked(*rows: Any, halted: tuple[bytes, ...] = ()) -> Parking:
    """A waiting room with these rows."""
    parking = Parking("t", "r")
    parking.load(rows, halted)
    return parking


def places(parking: Parking, now: int, most: int = 100) -> list[tuple[bytes, int]]:
    """What is due, as (patient, position)."""
    return [(one.order_key, one.position) for one in parking.due(now, most)]


def test_only_the_head_is_looked_at() -> None:
    """What waits behind a head that is not due waits too, whatever its own time says."""
    parking = parked(row(ANN, 1, "busy", due_at=100), row(ANN, 2), row(BOB, 3, "busy", due_at=10))
    assert places(parking, now=50) == [(BOB, 3)]
    assert places(parking, now=100) == [(ANN, 1), (ANN, 2), (BOB, 3)]


def test_a_further_attempt_does_not_ride_along() -> None:
    """A later change that has its own time is not sent with the head."""
    parking = parked(row(ANN, 1, "busy"), row(ANN, 2, "busy", due_at=100), row(ANN, 3))
    assert places(parking, now=0) == [(ANN, 1)]


def test_halted_patients_wait_for_a_person() -> None:
    """Nothing of a halted patient is due, and new changes must wait."""
    parking = parked(row(ANN, 2), halted=(ANN,))
    assert places(parking, now=10**9) == []
    assert parking.keys == {ANN}


def test_a_survivor_waits_for_what_came_before_the_merge_only() -> None:
    """The merged patient's changes from before the merge hold the survivor; later ones do not."""
    merge = f"{MERGE}{ANN.hex()}:5"
    assert places(parked(row(ANN, 4, "busy", due_at=NEVER), row(BOB, 9, merge, NEVER), row(BOB, 10)), 0) == []
    later = parked(row(ANN, 6, "busy", due_at=NEVER), row(BOB, 9, merge, NEVER), row(BOB, 10))
    assert places(later, 0) == [(BOB, 9), (BOB, 10)]
    assert places(parked(row(BOB, 9, merge, NEVER), halted=(ANN,)), 0) == []


def test_what_waits_for_somebody_does_not_wake_the_clock() -> None:
    """A survivor that waits has no time of its own: the route sleeps its full idle time."""
    assert parked(row(BOB, 9, f"{MERGE}{ANN.hex()}:5", NEVER)).next_due_seconds(0, 1.0) == 1.0
    assert parked(row(BOB, 9, "busy", 250_000)).next_due_seconds(0, 1.0) == 0.25


ROWS = st.lists(
    st.tuples(st.sampled_from([ANN, BOB]), st.sampled_from([BEHIND, "busy", "released"]), st.integers(0, 3)),
    max_size=30,
)


@given(ROWS, st.integers(1, 10), st.integers(0, 3))
def test_what_is_due_is_a_prefix_of_each_patient(rows: list[Any], most: int, now: int) -> None:
    """Of each patient the first changes are taken, never more in all than the dispatch carries."""
    parking = parked(*(row(key, at, reason, due) for at, (key, reason, due) in enumerate(rows)))
    due = parking.due(now, most)
    assert len(due) <= most
    for key in (ANN, BOB):
        queue = [at for at, (owner, _, _) in enumerate(rows) if owner == key]
        taken = [one.position for one in due if one.order_key == key]
        assert taken == queue[: len(taken)]
    parking.took(due)
    assert parking.count == len(rows) - len(due)
