"""Turns: nobody waits behind another's history, and messages of one lane never change places."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.flow.handoff import Stored
from gateway.flow.lanes import intake_lane, is_behind, order_lane
from gateway.flow.turns import Turns
from gateway.store.schema import LANES

MESSAGES = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 3), st.booleans()), max_size=120)


def stored(number: int, source: str, lane: int = 0, *, behind: bool = False) -> Stored:
    """A message that waits."""
    return Stored(number, source, lane + LANES if behind else lane)


@settings(deadline=None)
@given(MESSAGES, st.lists(st.integers(1, 40), min_size=1), st.integers(0, 120))
def test_order_within_a_lane_is_that_of_arrival(
    drawn: list[tuple[str, int, bool]], sizes: list[int], at_first: int
) -> None:
    """However batches fall and whatever came while they were taken, each message is taken once, its elders before."""
    waiting = [stored(number, *one[:2], behind=one[2]) for number, one in enumerate(drawn)]
    turns = Turns(waiting[:at_first])
    later = waiting[at_first:]
    taken: list[Stored] = []
    while True:
        most = sizes[len(taken) % len(sizes)]
        batch = turns.take(most)
        assert len(batch) <= most
        taken += batch
        turns.add(later[:7])
        if not batch and not later:
            break
        del later[:7]
    assert sorted(one.message_id for one in taken) == list(range(len(drawn)))
    for source in "abcde":
        for lane in range(4):
            ids = [one.message_id for one in taken if (one.source, order_lane(one.lane)) == (source, lane)]
            assert ids == sorted(ids)


@settings(deadline=None)
@given(MESSAGES.filter(len), st.integers(5, 60))
def test_a_batch_is_full_and_shared_out(drawn: list[tuple[str, int, bool]], most: int) -> None:
    """No room is left while anything waits, and no source gets less than its share while another gets more."""
    turns = Turns([stored(number, *one[:2], behind=one[2]) for number, one in enumerate(drawn)])
    batch = turns.take(most)
    assert len(batch) == min(most, len(drawn))
    sources = {source for source, _, _ in drawn}
    for source in sources:
        waits = sum(one[0] == source for one in drawn)
        assert sum(one.source == source for one in batch) >= min(waits, most // len(sources))


def test_more_sources_than_places_are_served_in_turn() -> None:
    """With ten sources and batches of three, each is served once before any is served twice."""
    turns = Turns([stored(10 * turn + source, f"s{source}") for turn in range(3) for source in range(10)])
    first = [one.source for _ in range(4) for one in turns.take(3)][:10]
    assert sorted(first) == sorted(f"s{source}" for source in range(10))


def test_what_happens_now_overtakes_its_own_sources_history() -> None:
    """Of a back-fill only what stands before a live message in its own lane is taken before it."""
    lanes = 64
    turns = Turns([stored(number, "a", number % lanes, behind=True) for number in range(20_000)])
    turns.add([stored(20_000, "a", 7)])
    taken = [one for _ in range(2) for one in turns.take(256)]
    live = next(at for at, one in enumerate(taken) if one.message_id == 20_000)
    assert live == sum(number % lanes == 7 for number in range(20_000))
    assert all(one.lane % lanes == 7 for one in taken[:live])


def test_the_lane_of_a_back_fill_is_the_twin_of_the_live_one() -> None:
    """What a back-fill brings under an order key is told apart, and is known to belong in one order with the rest."""
    live, behind = intake_lane("a", "p1"), intake_lane("a", "p1", behind=True)
    assert order_lane(live) == order_lane(behind)
    assert (is_behind(live), is_behind(behind)) == (False, True)
