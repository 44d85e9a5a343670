"""Routes: what one does not send, when it sends nothing, and what is sent again; the ledger has a word for each."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace as altered

from gateway.flow import deliver, dispatch, last_look
from gateway.flow.clock import micros, micros_of
from gateway.flow.dispatch import Opener
from gateway.flow.policy import Policy
from gateway.flow.quarantine import held, release
from gateway.flow.react import settle
from gateway.flow.replay import rehearse, replay
from gateway.flow.route import Filter
from gateway.flow.valve import LONGEST_REST, Rest
from gateway.model.exchange import Delivered, Delivery, Item, Outcome, Rejected, Retry
from gateway.model.opening_hours import parse_hours
from gateway.store import audit, deliveries, messages, route_states
from tests.integration.counting import Counting
from tests.integration.parts import (  # fmt: skip
    ROUTE,
    SINK,
    TENANT,
    VIEW,
    Parts,
    Written,
    appointment,
    deliver_all,
    drain,
    message,
    patient,
)

START = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
TASKS = type(VIEW)("tasks", {"Task": ["title"]})


def rows(parts: Parts, route: str = "desk") -> list[tuple[str, str]]:
    """(outcome, reason) of every delivery row of a route."""
    found = parts.store.read_sync(lambda connection: deliveries.outcomes(connection, TENANT, route))
    return [(row.outcome, row.reason) for row in found]


def counted(parts: Parts, route: str = "desk") -> Any:
    """The recount of a route, after a look that everything adds up."""
    ledger = parts.ledger()
    assert ledger.problems == []
    return next(one for one in ledger.routes if one.route == route)


def want(parts: Parts, state: str) -> None:
    """What a person wants of the route."""
    parts.store.write_sync(lambda connection: route_states.set_state(connection, TENANT, "desk", state, micros()))


def test_only_wanted_states_are_sent(parts: Parts) -> None:
    """A record in another state is suppressed, and counted so, even where the view does not grant the field."""
    parts.take(message(appointment("a1", "p1")), message(appointment("a2", "p2", status="cancelled")))
    sink = Written()
    policy = Policy(where={"Appointment": {"status": frozenset({"booked"})}})
    deliver_all(parts.delivering(sink, policy=policy, view=type(VIEW)("few", {"Appointment": ["start"]})))
    assert len(sink.effects) == 1
    assert counted(parts).suppressed == {"other-state": 1}


@pytest.mark.parametrize("policy", [Policy(expires_after=3600), Policy(expires={"Appointment": "start"})])
def test_what_is_too_old_expires(parts: Parts, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change older than it may be, or whose own time has passed, is expired and not sent; a younger one is sent."""
    parts.take(message(appointment("a1", "p1")), message(appointment("a2", "p2", start="2099-03-02T09:30:00-06:00")))
    late = max(datetime.now(UTC), START) + timedelta(hours=2)
    if policy.expires_after is not None:
        deliver_all(parts.delivering(Written(), policy=policy, name="young"))
        assert counted(parts, "young").delivered == 2
        monkeypatch.setattr(dispatch, "micros", lambda: micros_of(late))
    sink = Written()
    deliver_all(parts.delivering(sink, policy=policy))
    assert (counted(parts).expired, len(sink.effects)) == ((2, 0) if policy.expires_after is not None else (1, 1))


def test_a_superseded_version_is_not_sent(parts: Parts) -> None:
    """On a route that wants the latest only, of three versions one is sent; the others are suppressed by reason."""
    parts.take(*(message(appointment("a1", "p1", reason=word)) for word in ("a", "b", "c")))
    sink = Written()
    deliver_all(parts.delivering(sink, policy=Policy(latest_only=True)))
    assert [delivery.version for delivery in sink.effects] == [3]
    assert counted(parts).suppressed == {"superseded": 2}


def test_a_retry_is_looked_at_again_before_it_goes(parts: Parts) -> None:
    """A version that was superseded while it waited for another attempt is not attempted again."""
    parts.take(message(appointment("a1", "p1")))
    busy = True
    sink = Written(lambda delivery: Retry("busy") if busy else Delivered("ok"))
    route = parts.delivering(sink, policy=Policy(latest_only=True), schedule=(3600.0,) * 3)
    deliver_all(route)
    busy = False
    parts.take(message(appointment("a1", "p1", status="cancelled")))
    parts.store.write_sync(lambda c: deliveries.make_due(c, TENANT, "desk", parts.record("Patient", "p1"), 0))
    deliver_all(parts.delivering(sink, policy=Policy(latest_only=True)))
    assert [delivery.version for delivery in sink.effects] == [2]
    assert counted(parts).suppressed == {"superseded": 1}


@pytest.mark.parametrize("stage", ["unread", "marked", "unnormalized", "done"])
def test_a_cancelled_visit_is_not_reminded_of_whatever_the_stage(
    parts: Parts, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the moment the cancellation is in the journal nothing derived before it is sent, at no stage on its way."""
    monkeypatch.setattr(last_look, "UNSETTLED_SECONDS", 0.0)
    deriver = parts.reacting(Counting())
    parts.take(message(appointment("a1", "p1")))
    while settle([deriver]):
        parts.settle()
    parts.take(message(appointment("a1", "p1", status="cancelled")))
    if stage == "marked":
        deriver._read_on()
    elif stage == "unnormalized":
        settle([deriver])
    elif stage == "done":
        while settle([deriver]):
            parts.settle()
    sink = Written()
    route = parts.delivering(sink, policy=Policy(latest_only=True), view=TASKS, filter=Filter(frozenset({"Task"})))

    async def run() -> None:
        await route.recover()
        for _ in range(3):
            await route.step()

    asyncio.run(run())
    assert [delivery for delivery in sink.effects if delivery.change != "removed"] == []
    parts.settle()
    while settle([deriver]):
        parts.settle()
    deliver_all(parts.delivering(sink, policy=Policy(latest_only=True), view=TASKS, filter=Filter(frozenset({"Task"}))))
    assert [delivery.change for delivery in sink.effects] == ["removed"]
    assert counted(parts).suppressed == {"superseded": 1}


def test_a_silent_source_is_waited_for(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes from a source not heard of for too long is held back, uses up no attempt, and goes once it speaks."""
    monkeypatch.setattr(last_look, "HEARD_SECONDS", 0.0)
    parts.take(message(appointment("a1", "p1")))
    later = micros() + 3_600_000_000
    monkeypatch.setattr(deliver, "micros", lambda: later)
    sink = Written()
    route = parts.delivering(sink, policy=Policy(stale_after=600))
    deliver_all(route)
    assert sink.dispatches == []
    (waiting,) = parts.store.read_sync(lambda connection: deliveries.waiting_of(connection, TENANT, "desk"))
    assert (waiting.reason, waiting.attempts) == ("stale-source", 0)
    later = micros()
    parts.take(message(patient("p9", "A")))
    parts.store.write_sync(lambda c: deliveries.make_due(c, TENANT, "desk", parts.record("Patient", "p1"), 0))
    deliver_all(parts.delivering(sink, policy=Policy(stale_after=600)))
    assert len(sink.effects) == 2
    counted(parts)


def test_outside_its_hours_a_route_reads_nothing(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside business hours nothing is taken up; within them everything is sent."""
    parts.take(message(patient("p1", "A")))
    sink = Written()
    route = parts.delivering(sink, policy=Policy(hours=(parse_hours("mon-fri 08:00-18:00"),)))
    monkeypatch.setattr(deliver, "micros", lambda: micros_of(datetime(2026, 3, 1, 12, tzinfo=UTC)))  # a Sunday
    deliver_all(route)
    assert sink.dispatches == []
    monkeypatch.setattr(deliver, "micros", lambda: micros_of(datetime(2026, 3, 2, 8, tzinfo=UTC)))
    deliver_all(route)
    assert len(sink.effects) == 1


def test_pause_drain_and_resume(parts: Parts) -> None:
    """A paused route sends nothing, a draining one only what waits and is then paused, a resumed one everything."""
    parts.take(message(patient("p1", "A")))
    busy = True
    sink = Written(lambda delivery: Retry("busy") if busy else Delivered("ok"))
    deliver_all(parts.delivering(sink, schedule=(3600.0,)))
    parts.take(message(patient("p2", "A")))
    busy = False
    want(parts, "paused")
    deliver_all(parts.delivering(sink))
    assert sink.effects == []
    want(parts, "draining")
    parts.store.write_sync(lambda c: deliveries.make_due(c, TENANT, "desk", parts.record("Patient", "p1"), 0))
    deliver_all(parts.delivering(sink))
    assert len(sink.effects) == 1
    assert parts.store.read_sync(lambda c: route_states.state_of(c, TENANT, "desk")) == "paused"
    assert counted(parts).pending == 1
    want(parts, "running")
    deliver_all(parts.delivering(sink))
    assert len(sink.effects) == 2


def test_a_replay_is_a_new_effect_once(parts: Parts) -> None:
    """What is replayed has a key of its own, the same for each attempt, on this route only, and is counted."""
    parts.take(message(patient("p1", "A")), message(appointment("a1", "p1")), message(patient("p2", "A")))
    sink, other = Written(), Written()
    deliver_all(parts.delivering(sink))
    deliver_all(parts.delivering(other, name="other"))
    first = set(sink.sent())
    name, count = replay(
        parts.store, parts.audit, TENANT, "desk", Filter(types=frozenset({"Patient"})), since=0, actor="user:ann"
    )
    assert count == 2
    assert counted(parts).pending == 2
    busy = True
    sink.answer = lambda delivery: Retry("busy") if busy else Delivered("ok")
    deliver_all(parts.delivering(sink, schedule=(3600.0,) * 5, info=altered(SINK, batch=1)))
    busy = False
    for native_id in ("p1", "p2"):
        key = parts.record("Patient", native_id)
        parts.store.write_sync(partial(deliveries.make_due, tenant=TENANT, route="desk", order_key=key, at=0))
    deliver_all(parts.delivering(sink))
    keys = [delivery.key for delivery in sink.effects[3:]]
    assert len(keys) == len(set(keys)) == 2
    assert not set(keys) & first
    assert set(sink.sent()) - first == set(keys)
    assert len(other.effects) == 3
    assert counted(parts).delivered == 3
    assert rows(parts).count(("released", f"replay:{name}")) == 2


def test_a_replay_that_was_quarantined_keeps_its_key(parts: Parts) -> None:
    """Released by a person, a replay is still that replay: the receiver would take the first key for known."""
    parts.take(message(patient("p1", "A")))
    sink = Written()
    deliver_all(parts.delivering(sink))
    name, _ = replay(parts.store, parts.audit, TENANT, "desk", Filter(), since=0, actor="user:ann")
    sink.answer = lambda _: Rejected("closed")
    deliver_all(parts.delivering(sink))
    (one,) = parts.store.read_sync(lambda connection: held(connection, TENANT))
    release(parts.store, parts.audit, TENANT, one.id, "user:ann")
    sink.answer = lambda _: Delivered("ok")
    deliver_all(parts.delivering(sink))
    first, tried, again = sink.sent()
    assert tried == again != first
    assert rows(parts)[-2:] == [("released", f"replay:{name}"), ("delivered", "")]
    assert counted(parts).delivered == 1


def test_who_asked_for_a_replay_is_written_first(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay that breaks off before its end has an audit entry all the same."""
    parts.take(message(patient("p1", "A")))
    deliver_all(parts.delivering(Written()))

    def broken(*_: Any, **__: Any) -> None:
        raise OSError

    monkeypatch.setattr(deliveries, "put_waiting", broken)
    with pytest.raises(OSError):
        replay(parts.store, parts.audit, TENANT, "desk", Filter(), since=0, actor="user:ann")
    found = parts.store.read_sync(lambda c: [bytes(row.body) for row in audit.rows_ahead(c, TENANT, {})])
    assert sum(b'"replay"' in body for body in found) == 1


def test_a_rehearsal_takes_the_last_look(parts: Parts) -> None:
    """A dry run says of a superseded version, and of a patient that waits for a person, what a delivery would."""
    parts.take(message(patient("p1", "A")), message(patient("p2", "A")))
    deliver_all(parts.delivering(Written(lambda one: Rejected("closed") if one.version == 1 else Delivered("ok"))))
    parts.take(message(patient("p1", "B")), message(patient("p1", "C")), message(patient("p3", "A")))
    route = replace(ROUTE, policy=Policy(latest_only=True))
    found = rehearse(parts.store, Opener(route, parts.store, parts.vault, parts.audit), 10)
    assert sorted((one.version, one.outcome, one.reason) for one in found) == [
        (1, "send", ""), (2, "suppressed", "superseded"), (3, "hold", "halted"),
    ]  # fmt: skip


def test_a_replay_since_now_has_nothing(parts: Parts) -> None:
    """Only changes from the given time on are replayed."""
    parts.take(message(patient("p1", "A")))
    deliver_all(parts.delivering(Written()))
    assert replay(parts.store, parts.audit, TENANT, "desk", Filter(), since=micros(), actor="user:ann")[1] == 0
    assert counted(parts).delivered == 1


def test_a_rehearsal_tells_and_moves_nothing(parts: Parts) -> None:
    """A dry run names what would be sent and what would not, under an access entry; the route is where it was."""
    parts.take(message(appointment("a1", "p1")), message(appointment("a2", "p2", status="cancelled")))
    route = replace(ROUTE, policy=Policy(where={"Appointment": {"status": frozenset({"booked"})}}))
    found = rehearse(parts.store, Opener(route, parts.store, parts.vault, parts.audit), 10)
    assert sorted((one.outcome, one.reason) for one in found) == [("send", ""), ("suppressed", "other-state")]
    assert rows(parts) == []
    sink = Written()
    deliver_all(parts.delivering(sink))
    assert len(sink.effects) == 2


def test_answers_are_messages_before_the_receipt(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a peer answered is stored under the named source, once, also when the receipt is lost in a crash."""
    answer = message(appointment("a9", "p1", reason="answered"))
    parts.take(message(patient("p1", "A")))

    class Lost(BaseException):
        """The process ends here."""

    sink = Written(lambda delivery: Delivered("ok", (answer,)))
    route = parts.delivering(sink)
    route._answers = parts.receiver()

    async def crash(*arguments: Any) -> None:
        raise Lost

    monkeypatch.setattr(route, "_finish", crash)

    async def run() -> None:
        await route.recover()
        with pytest.raises(Lost):
            await route.step()
        stored = await parts.store.read(lambda c: messages.latest(c, TENANT))
        assert [row.control_id for row in stored].count(answer.control_id) == 1
        assert rows(parts) == []
        monkeypatch.undo()
        await route.recover()
        await drain(route)

    asyncio.run(run())
    parts.settle()
    assert parts.history("Appointment", "a9") == ["created"]
    assert [delivery.key for delivery in sink.effects[:2]] == [sink.effects[0].key] * 2
    assert counted(parts).quarantined == {}


def test_an_answer_too_large_is_told_in_quarantine(parts: Parts) -> None:
    """An answer that cannot be a message leaves its receipt and a finding."""
    parts.take(message(patient("p1", "A")))
    huge = Item(body=b"x" * 2**21, kind="answer", control_id="huge", order_key=None)
    route = parts.delivering(Written(lambda delivery: Delivered("ok", (huge,))))
    route._answers = parts.receiver()
    deliver_all(route)
    assert parts.ledger().quarantined == {"message-too-large": 1}
    assert counted(parts).delivered == 1


def test_a_receiver_that_fails_everybody_is_left_alone(parts: Parts) -> None:
    """After failures of several patients the rest stays in the journal; one success lets everything through."""
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(40)))
    down = True
    sink = Written(lambda delivery: Retry("no-connection") if down else Delivered("ok"))
    options: dict[str, Any] = {
        "policy": Policy(break_after=3),
        "info": altered(SINK, batch=2),
        "schedule": (3600.0,) * 9,
    }
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


def test_a_receiver_rests_after_a_restart_and_on_every_route(parts: Parts) -> None:
    """That a peer is left alone is stored: neither a new process nor another route to it tries before the time."""
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(8)))
    down, policy = True, Policy(break_after=3)
    sink = Peer(lambda _: Retry("no-connection") if down else Delivered("ok"))
    deliver_all(parts.delivering(sink, policy=policy, info=altered(SINK, batch=4), schedule=(3600.0,)))
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


def test_a_person_who_resumes_a_route_wakes_its_receiver(parts: Parts) -> None:
    """A receiver that rests is tried at once, by every route that leads to it; a route that was paused since is not."""
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(8)))
    down, policy = True, Policy(break_after=3)
    sink = Peer(lambda _: Retry("no-connection") if down else Delivered("ok"))
    deliver_all(parts.delivering(sink, policy=policy, info=altered(SINK, batch=4), schedule=(3600.0,)))
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
    assert len(sink.effects) == 4 + 8
    want(parts, "paused")
    parts.store.write_sync(lambda c: route_states.wake(c, TENANT, "desk", bytes(16)))
    assert parts.store.read_sync(lambda c: route_states.state_of(c, TENANT, "desk")) == "paused"
    counted(parts)


def test_who_was_woken_is_trusted_again(parts: Parts) -> None:
    """After a person woke a receiver, one patient's failure alone lets it rest no more: many must fail anew."""
    valve = parts.delivering(Written(), policy=Policy(break_after=3)).valve
    now = micros()
    valve.heard([(f"p{n}", Retry("busy")) for n in range(3)], now)
    assert valve.shut(now) == "resting"
    valve.rests(Rest(), now)
    valve.heard([("p9", Retry("busy"))], now)
    assert valve.shut(now) == ""


def test_a_clock_put_back_lets_nobody_rest_for_ever(parts: Parts) -> None:
    """A rest that was stored before the clock was put back by a day is over after the longest rest."""
    valve = parts.delivering(Written(), policy=Policy(break_after=1)).valve
    valve.rests(Rest(1, micros() + 86_400_000_000), micros())
    assert valve.shut(micros() + int(LONGEST_REST * 1_000_000)) == ""


def test_one_failing_patient_rests_nobody(parts: Parts) -> None:
    """However often one patient fails, the receiver is not taken for broken."""
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(5)))
    bad = parts.vault.record_id(TENANT, "told", "Patient", "p0")

    def answer(delivery: Delivery) -> Outcome:
        return Retry("busy") if delivery.record_id == bad else Delivered("ok")

    sink = Written(answer)
    route = parts.delivering(
        sink, policy=Policy(break_after=2), info=altered(SINK, batch=1), schedule=(0.0,) * 6 + (3600.0,)
    )
    deliver_all(route)
    assert len(sink.effects) == 4
    assert route.valve.shut(micros()) == ""


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


def test_a_rate_is_kept(parts: Parts) -> None:
    """No more than so many per second are taken up, and no more than so many at one time."""
    parts.take(*(message(patient(f"p{n}", "A")) for n in range(12)))
    sink = Written()
    route = parts.delivering(sink, policy=Policy(per_second=5.0, at_once=2))
    deliver_all(route)
    assert 4 <= len(sink.effects) <= 6
    assert max(len(one.deliveries) for one in sink.dispatches) == 2


def test_a_shadow_is_compared_by_what_was_written(parts: Parts) -> None:
    """Where a shadow route came to another outcome or sent other fields, the comparison names the change."""
    parts.take(message(patient("p1", "A")), message(patient("p2", "A", language="es")))
    bad = parts.vault.record_id(TENANT, "told", "Patient", "p1")
    deliver_all(parts.delivering(Written()))
    few = type(VIEW)("few", {"Patient": ["name"]})
    deliver_all(parts.delivering(Written(), name="shadow", view=few))
    found = parts.store.read_sync(lambda c: route_states.compared(c, TENANT, "desk", "shadow"))
    assert [row.live == row.shadow for row in found] == [True, True]
    assert sorted(row.live_fields == row.shadow_fields for row in found) == [False, True]
    assert bad
