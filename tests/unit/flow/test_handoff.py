"""The handoff may forget: whatever overflows, fails or restarts, order within a lane is that of arrival."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.flow.handoff import Arrived, Handoff, Stored

TENANT = "t"


def arrived(number: int, size: int) -> Arrived:
    """A message that was just stored."""
    return Arrived(
        message_id=number, source="s", kind="k", lane=0, body=b"x" * size, context=b"", key_id=1, wrapped=b"",
        received_at=0,
    )  # fmt: skip


@dataclass
class Reader:
    """Takes as the normalizer does: what the store held when it was listed, and then what is in memory."""

    handoff: Handoff
    stored: list[int] = field(default_factory=list)
    """What is committed and has no outcome yet."""
    settled: list[int] = field(default_factory=list)

    def step(self, most: int) -> None:
        """Settle one batch."""
        if not self.handoff.is_live(TENANT):
            self.handoff.go_live(TENANT)
            assert self.handoff.listed(TENANT, [Stored(number, "s", 0) for number in self.stored])
        batch = [one.message_id for one in self.handoff.take(TENANT, most)]
        batch = [one for one in batch if one in self.stored]  # the unit of work leaves out what has an outcome
        self.settled += batch
        self.stored = [one for one in self.stored if one not in batch]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("store"), st.integers(1, 5)),
        st.tuples(st.just("offer"), st.integers(0, 400)),
        st.tuples(st.just("step"), st.integers(1, 6)),
        st.just(("fail", 0)),
    ),
    max_size=80,
)


@settings(deadline=None)
@given(ACTIONS, st.integers(0, 1500))
def test_order_is_that_of_arrival(actions: list[tuple[str, int]], most_bytes: int) -> None:
    """Any sequence of commits, late offers, small memories and failures settles every message once and in order."""
    reader = Reader(Handoff(most_bytes))
    committed: list[int] = []
    offered = 0
    for action, amount in actions:
        if action == "store":
            fresh = list(range(len(committed), len(committed) + amount))
            committed += fresh
            reader.stored += fresh
        elif action == "offer":
            reader.handoff.offer(TENANT, [arrived(number, amount) for number in committed[offered:]])
            offered = len(committed)
        elif action == "fail":
            reader.handoff.fall_behind(TENANT)
        else:
            reader.step(amount)
    reader.handoff.fall_behind(TENANT)
    while reader.stored:
        reader.step(3)
    assert reader.settled == committed


@settings(deadline=None)
@given(st.lists(st.integers(0, 300), max_size=50), st.integers(0, 600))
def test_memory_is_bounded(sizes: list[int], most_bytes: int) -> None:
    """What is kept in memory never passes the limit, and what does not fit is forgotten as a whole."""
    handoff = Handoff(most_bytes)
    handoff.go_live(TENANT)
    kept = 0
    for number, size in enumerate(sizes):
        handoff.offer(TENANT, [arrived(number, size)])
        kept = kept + size if handoff.is_live(TENANT) else 0
        assert kept <= most_bytes
        if not handoff.is_live(TENANT):
            assert handoff.take(TENANT, 100) == []
            handoff.go_live(TENANT)


def test_tenants_do_not_forget_for_each_other() -> None:
    """An overflow of one tenant leaves another tenant's memory as it is."""
    handoff = Handoff(100)
    for tenant in ("a", "b"):
        handoff.go_live(tenant)
    handoff.offer("a", [arrived(1, 10)])
    handoff.offer("b", [arrived(2, 200)])
    assert handoff.is_live("a")
    assert not handoff.is_live("b")
    assert [one.message_id for one in handoff.take("a", 10)] == [1]


def test_what_arrives_while_the_store_is_listed_stands_behind_it() -> None:
    """A message that was listed and is offered a moment later waits once; one that was not listed comes after."""
    handoff = Handoff(1000)
    handoff.go_live(TENANT)
    handoff.offer(TENANT, [arrived(2, 10), arrived(3, 10)])
    assert handoff.listed(TENANT, [Stored(1, "s", 0), Stored(2, "s", 0)])
    handoff.offer(TENANT, [arrived(1, 10), arrived(4, 10)])
    assert [one.message_id for one in handoff.take(TENANT, 10)] == [1, 2, 3, 4]


def test_a_list_is_refused_when_memory_was_let_go_meanwhile() -> None:
    """What arrived and was forgotten while the store was listed may not be on the list: it has to be made anew."""
    handoff = Handoff(100)
    handoff.go_live(TENANT)
    handoff.offer(TENANT, [arrived(2, 200)])
    assert not handoff.listed(TENANT, [Stored(1, "s", 0)])
    assert handoff.take(TENANT, 10) == []
