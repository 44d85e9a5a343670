"""Deliver: at least once, in each patient's order, whatever the sink answers, and nobody waits for somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.access import View
from gateway.errors import SourceUnavailable
from gateway.flow import call
from gateway.flow.quarantine import held, one_held, release
from gateway.flow.route import Filter
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Dispatch, Outcome, Rejected, Retry
from gateway.store import deliveries
from tests.integration.outcomes import Crash, rows, sound
from tests.integration.parts import FAR, SINK, TENANT, Parts, Written, appointment, deliver_all, drain, message, patient


def two_patients(parts: Parts) -> None:
    """Two patients with three changes each."""
    for native_id in ("p1", "p2"):
        parts.take(message(patient(native_id, "A")), message(patient(native_id, "B")), message(patient(native_id, "C")))


def of(parts: Parts, native_id: str) -> str:
    """The record id of a patient, as a sink sees it."""
    return parts.vault.record_id(TENANT, "told", "Patient", native_id)


def test_each_change_is_delivered_once_in_order(parts: Parts) -> None:
    """Every change of every patient arrives once, versions in order, with the granted fields only."""
    two_patients(parts)
    sink = Written()
    route = parts.delivering(sink)
    deliver_all(route)
    deliver_all(route)
    assert len(set(sink.sent())) == len(sink.sent()) == 6
    assert all([version for _, version in effects] == [1, 2, 3] for effects in sink.by_order().values())
    assert {delivery.fields for delivery in sink.effects} == {("name",)}
    assert b"native_id" not in b"".join(delivery.body for delivery in sink.effects)
    assert rows(parts) == [("delivered", "")] * 6
    sound(parts)


@pytest.mark.parametrize("fault", ["retry", "ambiguous", "raise", "gateway-error", "hang", "wrong-count"])
def test_a_failing_head_parks_only_its_patient(parts: Parts, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one patient's first change cannot be delivered, the other patient's changes all are, and none overtakes."""
    monkeypatch.setattr(call, "SEND_SECONDS", 0.05)
    two_patients(parts)
    bad = of(parts, "p1")
    broken = True

    def fails(delivery: Delivery) -> bool:
        return delivery.record_id == bad and delivery.version == 1

    @dataclass
    class Faulty(Written):
        async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
            if not broken or not any(map(fails, dispatch.deliveries)):
                return await super().deliver(dispatch)
            self.dispatches.append(dispatch)
            if fault == "raise":
                raise ZeroDivisionError
            if fault == "gateway-error":
                raise SourceUnavailable("the peer is away", after=0.0)
            if fault == "hang":
                await asyncio.sleep(60)
            if fault == "wrong-count":
                return []
            self.dispatches.pop()
            return await super().deliver(dispatch)

    def answer(delivery: Delivery) -> Outcome:
        if broken and fails(delivery):
            return Retry("busy") if fault == "retry" else Ambiguous("cut off")
        return Delivered("ok")

    sink = Faulty(answer)
    route = parts.delivering(sink, info=replace(SINK, batch=1), schedule=(0.0,) * 5 + (FAR,) * 3)

    async def run() -> None:
        nonlocal broken
        await route.recover()
        await drain(route)
        assert [delivery.version for delivery in sink.effects] == [1, 2, 3]
        assert all(delivery.record_id != bad for delivery in sink.effects)
        assert route.waiting == 3
        sound(parts)
        broken = False
        parts.make_due("p1")
        await route.recover()
        await drain(route)

    asyncio.run(run())
    assert [delivery.version for delivery in sink.effects if delivery.record_id == bad] == [1, 2, 3]
    assert parts.ledger().routes[0].pending == 0
    sound(parts)


def test_a_rejection_halts_its_patient_until_a_person_acts(parts: Parts) -> None:
    """On a halting route the patient's later changes wait behind the quarantined one, and follow it once released."""
    two_patients(parts)
    bad, broken = of(parts, "p1"), True

    def answer(delivery: Delivery) -> Outcome:
        return Rejected("no-such-chart") if broken and delivery.record_id == bad else Delivered("ok")

    sink = Written(answer)
    deliver_all(parts.delivering(sink))
    assert [delivery.record_id == bad for delivery in sink.effects] == [False] * 3
    count = parts.ledger().routes[0]
    assert (count.delivered, count.quarantined, count.pending) == (3, {"no-such-chart": 1}, 2)
    sound(parts)
    parts.take(message(patient("p1", "D")))
    restarted = parts.delivering(sink)
    deliver_all(restarted)
    assert parts.ledger().routes[0].pending == 3
    broken = False
    (one,) = parts.store.read_sync(lambda connection: held(connection, TENANT))
    assert parts.store.read_sync(lambda connection: one_held(connection, TENANT, one.id)) == one
    release(parts.store, parts.audit, TENANT, one.id, "user:ann")
    sound(parts)
    deliver_all(restarted)
    assert [delivery.version for delivery in sink.effects if delivery.record_id == bad] == [1, 2, 3, 4]
    assert parts.ledger().routes[0].delivered == 7
    sound(parts)


def test_a_rejection_may_leave_a_gap(parts: Parts) -> None:
    """On a route that goes on, only the rejected change is missing."""
    two_patients(parts)
    bad = of(parts, "p1")

    def answer(delivery: Delivery) -> Outcome:
        return Rejected("no") if delivery.record_id == bad and delivery.version == 1 else Delivered("ok")

    sink = Written(answer)
    deliver_all(parts.delivering(sink, halt=False))
    assert [delivery.version for delivery in sink.effects if delivery.record_id == bad] == [2, 3]
    assert parts.ledger().routes[0].quarantined == {"no": 1}
    sound(parts)


def test_what_never_succeeds_is_quarantined_in_the_end(parts: Parts) -> None:
    """After the last attempt of the schedule the change waits in quarantine, and says why."""
    parts.take(message(patient("p1", "A")))
    sink = Written(lambda delivery: Retry("busy"))
    deliver_all(parts.delivering(sink, schedule=(0.0, 0.0, 0.0)))
    assert len(sink.dispatches) == 4
    assert rows(parts) == [("quarantined", "gave-up:busy")]
    sound(parts)


def test_the_pause_is_kept_and_survives_a_restart(parts: Parts) -> None:
    """What a peer asked to be left alone is not tried before its time, by a new process neither."""
    parts.take(message(patient("p1", "A")))
    sink = Written(lambda delivery: Retry("busy", after=3600.0))
    for _ in range(3):
        deliver_all(parts.delivering(sink))
    assert len(sink.dispatches) == 1
    sound(parts)


@pytest.mark.parametrize("happened", [True, False])
def test_a_crash_sends_the_same_dispatch_again(parts: Parts, happened: bool) -> None:
    """Between claim and finish, before or after the effect, a crash leads to the same id with the same deliveries."""
    two_patients(parts)

    @dataclass
    class Crashing(Written):
        async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
            if self.dispatches:
                return await super().deliver(dispatch)
            self.dispatches.append(dispatch)
            if happened:
                self.effects.extend(dispatch.deliveries)
            raise Crash

    sink = Crashing()
    route = parts.delivering(sink)
    with pytest.raises(Crash):
        deliver_all(route)
    sound(parts)
    assert parts.ledger().routes[0].pending == 6
    deliver_all(parts.delivering(sink))
    first, second, *_ = sink.dispatches
    assert first == second
    assert len({delivery.key for delivery in sink.effects}) == 6
    assert parts.ledger().routes[0].delivered == 6
    sound(parts)


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_a_dispatch_is_no_larger_than_the_sink_takes(parts: Parts, batch: int) -> None:
    """The sink's batch size holds for first attempts and for what waited behind a failure."""
    parts.take(*(message(patient("p1", f"V{number}")) for number in range(40)))
    broken = True

    def answer(delivery: Delivery) -> Outcome:
        return Retry("busy") if broken else Delivered("ok")

    sink = Written(answer)
    route = parts.delivering(sink, info=replace(SINK, batch=batch), schedule=(0.0,) * 2 + (FAR,))
    deliver_all(route)
    broken = False
    parts.make_due("p1")
    deliver_all(route)
    assert max(len(dispatch.deliveries) for dispatch in sink.dispatches) <= batch
    assert [delivery.version for delivery in sink.effects] == list(range(1, 41))
    sound(parts)


def test_nothing_granted_is_nothing_sent(parts: Parts) -> None:
    """A change of which the view grants nothing never reaches the sink, and is counted as suppressed."""
    parts.take(message(patient("p1", "A"), appointment("a1", "p1")))
    sink = Written()
    deliver_all(parts.delivering(sink, view=View("times", {"Appointment": ["start"]})))
    assert [delivery.type for delivery in sink.effects] == ["Appointment"]
    assert parts.ledger().routes[0].suppressed == {"view-grants-nothing": 1}
    sound(parts)


def test_a_changed_filter_holds_from_where_the_route_stands(parts: Parts) -> None:
    """What the route passed under its first filter is not sent under the second, and the recount knows both."""
    sink = Written()
    parts.take(message(patient("p1", "A"), appointment("a1", "p1")))
    deliver_all(parts.delivering(sink, filter=Filter(types=frozenset({"Patient"}))))
    parts.take(message(patient("p2", "A"), appointment("a2", "p2")))
    deliver_all(parts.delivering(sink, filter=Filter(types=frozenset({"Appointment"}))))
    deliver_all(parts.delivering(sink, filter=Filter(types=frozenset({"Appointment"}))))
    assert [delivery.type for delivery in sink.effects] == ["Patient", "Appointment"]
    assert len(parts.store.read_sync(lambda connection: deliveries.editions(connection, TENANT, "desk"))) == 2
    assert parts.ledger().routes[0].matching == 2
    sound(parts)


def test_a_route_may_begin_now(parts: Parts) -> None:
    """A new route that begins at the journal's end gets what comes after, and owes nothing of before."""
    parts.take(message(patient("p1", "A")))
    sink = Written()
    route = parts.delivering(sink, start_now=True)
    deliver_all(route)
    parts.take(message(patient("p1", "B")))
    deliver_all(parts.delivering(sink, start_now=True))
    assert [delivery.version for delivery in sink.effects] == [2]
    assert parts.ledger().routes[0].matching == 1
    sound(parts)


def probing(answer: Any, probe: Any) -> tuple[Written, dict[str, Any]]:
    """A sink whose API has no key, and the options of its route."""
    info = replace(SINK, idempotency="probe")
    return Written(answer, probe_answer=probe), {"info": info, "schedule": (0.0,) * 3}


def test_an_ambiguous_outcome_is_probed_before_it_is_tried_again(parts: Parts) -> None:
    """A sink without keys is asked first: what happened is not sent again, what did not happen is."""
    two_patients(parts)
    sink, options = probing(
        lambda delivery: Ambiguous("cut off") if len(sink.dispatches) == 1 else Delivered("ok"),
        lambda delivery: Delivered("found") if delivery.record_id == of(parts, "p1") else Retry("not found"),
    )
    deliver_all(parts.delivering(sink, **options))
    sent = [delivery for dispatch in sink.dispatches for delivery in dispatch.deliveries]
    first = [delivery.version for delivery in sent if delivery.record_id == of(parts, "p1")]
    assert first.count(1) == 1
    assert [delivery.version for delivery in sent if delivery.record_id == of(parts, "p2")].count(1) == 2
    assert parts.ledger().routes[0].delivered == 6
    sound(parts)


def test_a_probe_that_fails_says_nothing(parts: Parts) -> None:
    """As long as nobody knows whether it happened, it is not sent again but asked again, and in the end quarantined."""
    parts.take(message(patient("p1", "A")), message(patient("p1", "B")))

    def lost(delivery: Delivery) -> Outcome:
        raise OSError

    sink, options = probing(lambda delivery: Ambiguous("cut off"), lost)
    deliver_all(parts.delivering(sink, **options))
    assert (
        len([delivery for dispatch in sink.dispatches for delivery in dispatch.deliveries if delivery.version == 1])
        == 1
    )
    assert len(sink.probed) >= 4
    assert rows(parts)[0][0] == "quarantined"
    assert parts.ledger().routes[0].pending == 1
    sound(parts)


def test_after_a_crash_a_sink_without_keys_is_asked_first(parts: Parts) -> None:
    """What a crash cut off may have happened: it is probed, and only sent when the probe says that it did not."""
    parts.take(message(patient("p1", "A")), message(patient("p2", "A")))

    @dataclass
    class Crashing(Written):
        async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
            if self.dispatches:
                return await super().deliver(dispatch)
            self.dispatches.append(dispatch)
            raise Crash

    sink = Crashing(probe_answer=lambda d: Delivered("found") if d.record_id == of(parts, "p1") else Retry("no"))
    info = replace(SINK, idempotency="probe")
    with pytest.raises(Crash):
        deliver_all(parts.delivering(sink, info=info))
    deliver_all(parts.delivering(sink, info=info))
    assert [delivery.record_id for delivery in sink.effects] == [of(parts, "p2")]
    assert parts.ledger().routes[0].delivered == 2
    sound(parts)


def test_an_ambiguous_outcome_without_any_protection_waits_for_a_person(parts: Parts) -> None:
    """A sink with neither keys nor a probe is never called twice for what may have happened."""
    parts.take(message(patient("p1", "A")))
    sink = Written(lambda delivery: Ambiguous("cut off"))
    deliver_all(parts.delivering(sink, info=replace(SINK, idempotency="none")))
    assert len(sink.dispatches) == 1
    assert rows(parts) == [("quarantined", "ambiguous:cut off")]
    sound(parts)
