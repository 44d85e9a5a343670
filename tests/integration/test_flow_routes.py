"""Routes: what one does not send, when it sends nothing, and what is sent again; the ledger has a word for each."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from gateway.flow import deliver, dispatch, last_look
from gateway.flow.clock import micros, micros_of
from gateway.flow.policy import Policy
from gateway.flow.react import settle
from gateway.flow.route import Filter
from gateway.model.exchange import Delivered, Item, Retry
from gateway.model.opening_hours import parse_hours
from gateway.store import deliveries, messages, route_states
from tests.integration.counting import Counting
from tests.integration.outcomes import counted, rows, want
from tests.integration.parts import (  # fmt: skip
    FAR,
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
    route = parts.delivering(sink, policy=Policy(latest_only=True), schedule=(FAR,) * 3)
    deliver_all(route)
    busy = False
    parts.take(message(appointment("a1", "p1", status="cancelled")))
    parts.make_due("p1")
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
    parts.make_due("p1")
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
    deliver_all(parts.delivering(sink, schedule=(FAR,)))
    parts.take(message(patient("p2", "A")))
    busy = False
    want(parts, "paused")
    deliver_all(parts.delivering(sink))
    assert sink.effects == []
    want(parts, "draining")
    parts.make_due("p1")
    deliver_all(parts.delivering(sink))
    assert len(sink.effects) == 1
    assert parts.store.read_sync(lambda c: route_states.state_of(c, TENANT, "desk")) == "paused"
    assert counted(parts).pending == 1
    want(parts, "running")
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


def test_a_shadow_is_compared_by_what_was_written(parts: Parts) -> None:
    """Where a shadow route came to another outcome or sent other fields, the comparison names the change.

    Changes that the shadow has not come to are counted as its lack, not passed over.
    """
    parts.take(message(patient("p1", "A")), message(patient("p2", "A", language="es")))
    deliver_all(parts.delivering(Written()))
    alone = partial(route_states.alone, tenant=TENANT, route="desk", other="shadow")
    assert parts.store.read_sync(alone) == {"delivered": 2}
    few = type(VIEW)("few", {"Patient": ["name"]})
    deliver_all(parts.delivering(Written(), name="shadow", view=few))
    found = parts.store.read_sync(lambda c: route_states.compared(c, TENANT, "desk", "shadow"))
    assert [row.live == row.shadow for row in found] == [True, True]
    assert sorted(row.live_fields == row.shadow_fields for row in found) == [False, True]
    assert parts.store.read_sync(alone) == {}
