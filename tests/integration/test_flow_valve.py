"""What a receiver is spared: rest when it fails everybody, a budget of retries, and a rate."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace as altered

from gateway.flow import valve
from gateway.flow.clock import micros
from gateway.flow.policy import Policy
from gateway.flow.valve import LONGEST_REST, Rest
from gateway.model.exchange import Delivered, Delivery, Outcome, Retry
from gateway.store import route_states
from tests.integration.outcomes import counted, want
from tests.integration.parts import FAR, SINK, TENANT, Parts, Written, deliver_all, drain, message, patient  # fmt: skip


@pytest.fixture
def _long_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver rests for longer than a test takes: its first rest may be over after two and a half seconds."""
    monkeypatch.setattr(valve, "FIRST_REST", FAR)
    monkeypatch.setattr(valve, "LONGEST_REST", FAR)


@pytest.mark.usefixtures("_long_rest")
def test_a_receiver_that_fails_everybody_is_left_alone(parts: Parts) -> None:
    """After failures of several patients the rest stays in the journal; one success lets everything through."""
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(40)))
    down = True
    sink = Written(lambda delivery: Retry("no-connection") if down else Delivered("ok"))
    options: dict[str, Any] = {"policy": Policy(break_after=3), "info": altered(SINK, batch=2), "schedule": (FAR,) * 9}
    route = parts.delivering(sink, **options)
    deliver_all(route)
    assert len(sink.dispatches) <= 3
    assert route.valve.shut(micros()) == "resting"
    assert counted(parts).pending == 40
    down = False
    route.valve.rests(Rest(1), micros())
    asyncio.run(drain(route))
    assert len(sink.effects) == 36
    assert len(sink.dispatches[2].deliveries) == 1
    counted(parts)


class Peer(Written):
    """A sink that says where it leads."""

    endpoint = "https://peer.example"


@pytest.mark.usefixtures("_long_rest")
def test_a_receiver_rests_after_a_restart_and_on_every_route(parts: Parts) -> None:
    """That a peer is left alone is stored: neither a new process nor another route to it tries before the time."""
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(8)))
    down, policy = True, Policy(break_after=3)
    sink = Peer(lambda _: Retry("no-connection") if down else Delivered("ok"))
    deliver_all(parts.delivering(sink, policy=policy, info=altered(SINK, batch=4), schedule=(FAR,)))
    tried = len(sink.dispatches)
    again, other = parts.delivering(sink, policy=policy), parts.delivering(sink, policy=policy, name="other")
    deliver_all(again)
    deliver_all(other)
    assert len(sink.dispatches) == tried
    assert (again.valve.rest, other.valve.shut(micros())) == (other.valve.rest, "resting")
    elsewhere = Written()
    deliver_all(parts.delivering(elsewhere, policy=policy, name="elsewhere"))
    assert len(elsewhere.effects) == 8
    down = False
    again.valve.rests(Rest(1), micros())
    asyncio.run(drain(again))
    deliver_all(other)
    assert len(sink.effects) == 4 + 8
    counted(parts)


@pytest.mark.usefixtures("_long_rest")
def test_a_person_who_resumes_a_route_wakes_its_receiver(parts: Parts) -> None:
    """A receiver that rests is tried at once, by every route to it, and so is what failed; a paused route is not."""
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(8)))
    down, policy = True, Policy(break_after=3)
    sink = Peer(lambda _: Retry("no-connection") if down else Delivered("ok"))
    deliver_all(parts.delivering(sink, policy=policy, info=altered(SINK, batch=4), schedule=(FAR,)))
    again, other = parts.delivering(sink, policy=policy), parts.delivering(sink, policy=policy, name="other")
    for route in (again, other):
        deliver_all(route)
        assert route.valve.shut(micros()) == "resting"
    down = False
    want(parts, route_states.WAKING)
    deliver_all(again)
    assert again.valve.rest == (0, 0)
    assert parts.store.read_sync(lambda c: route_states.state_of(c, TENANT, "desk")) == route_states.RUNNING
    deliver_all(other)
    assert len(sink.effects) == 8 + 8
    want(parts, "paused")
    parts.store.write_sync(lambda c: route_states.wake(c, TENANT, "desk", bytes(16), micros()))
    assert parts.store.read_sync(lambda c: route_states.state_of(c, TENANT, "desk")) == "paused"
    counted(parts)


def test_who_was_woken_is_trusted_again(parts: Parts) -> None:
    """After a person woke a receiver, one patient's failure alone lets it rest no more: many must fail anew."""
    own = parts.delivering(Written(), policy=Policy(break_after=3)).valve
    now = micros()
    own.heard([(f"p{n}", Retry("busy")) for n in range(3)], now)
    assert own.shut(now) == "resting"
    own.rests(Rest(), now)
    own.heard([("p9", Retry("busy"))], now)
    assert own.shut(now) == ""


def test_a_clock_put_back_lets_nobody_rest_for_ever(parts: Parts) -> None:
    """A rest that was stored before the clock was put back by a day is over after the longest rest."""
    own = parts.delivering(Written(), policy=Policy(break_after=1)).valve
    own.rests(Rest(1, micros() + 86_400_000_000), micros())
    assert own.shut(micros() + int(LONGEST_REST * 1_000_000)) == ""


def test_one_failing_patient_rests_nobody(parts: Parts) -> None:
    """However often one patient fails, the receiver is not taken for broken."""
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(5)))
    bad = parts.vault.record_id(TENANT, "told", "Patient", "p0")

    def answer(delivery: Delivery) -> Outcome:
        return Retry("busy") if delivery.record_id == bad else Delivered("ok")

    sink = Written(answer)
    route = parts.delivering(
        sink, policy=Policy(break_after=2), info=altered(SINK, batch=1), schedule=(0.0,) * 6 + (FAR,)
    )
    deliver_all(route)
    assert len(sink.effects) == 4
    assert route.valve.shut(micros()) == ""


def test_resuming_tries_at_once_what_failed(parts: Parts) -> None:
    """A person who has mended the receiver does not wait for the schedule, and is told the time of the next attempt."""
    parts.take(*(message(patient("p1", name)) for name in "AB"), message(patient("p2", "A")))
    down = True
    sink = Written(lambda _: Retry("http-401") if down else Delivered("ok"))
    deliver_all(parts.delivering(sink, schedule=(FAR,)))
    stands = parts.store.read_sync(lambda c: route_states.standing(c, TENANT, "desk"))
    assert stands["next_due"] > micros()
    down = False
    deliver_all(parts.delivering(sink, schedule=(FAR,)))
    assert (stands["waiting"], len(sink.effects)) == (3, 0)
    want(parts, route_states.WAKING)
    deliver_all(parts.delivering(sink, schedule=(FAR,)))
    assert len(sink.effects) == 3
    counted(parts)


def test_the_retry_budget_ends_retries_not_deliveries(parts: Parts) -> None:
    """Once the budget is used up nothing is tried again, what is new is delivered, and what is left is told."""
    parts.take(message(patient("p0", "A")))
    bad = parts.vault.record_id(TENANT, "told", "Patient", "p0")
    sink = Written(lambda delivery: Retry("busy") if delivery.record_id == bad else Delivered("ok"))
    route = parts.delivering(sink, policy=Policy(retries_per_hour=3), schedule=(0.0,) * 50)

    async def run() -> None:
        await route.recover()
        for _ in range(20):
            await route.step()
        await asyncio.to_thread(parts.normalizer.step, TENANT)
        await route.step()

    asyncio.run(parts.accept(message(patient("p1", "A"))))
    asyncio.run(run())
    assert sink.sent().count(sink.sent()[0]) == 4
    assert len(sink.effects) == 1
    assert route.valve.describe(micros())["retries_left"] == 0


def test_a_rate_is_kept(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than so many per second are taken up, and no more than so many at one time."""
    now = 100.0
    monkeypatch.setattr(valve, "time", SimpleNamespace(monotonic=lambda: now))
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(12)))
    sink = Written()
    route = parts.delivering(sink, policy=Policy(per_second=5.0, at_once=2))
    deliver_all(route)
    assert len(sink.effects) == 5
    now += 1.0
    deliver_all(route)
    assert len(sink.effects) == 5 + 5
    assert max(len(one.deliveries) for one in sink.dispatches) == 2
