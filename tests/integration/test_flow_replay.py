"""Replays and rehearsals: what is sent again is a new effect once, and a rehearsal moves nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as altered

from gateway.flow.clock import micros
from gateway.flow.dispatch import Opener
from gateway.flow.policy import Policy
from gateway.flow.quarantine import held, release
from gateway.flow.replay import rehearse, replay
from gateway.flow.route import Filter
from gateway.model.exchange import Delivered, Rejected, Retry
from gateway.store import audit, deliveries
from tests.integration.outcomes import counted, rows
from tests.integration.parts import (  # fmt: skip
    FAR,
    ROUTE,
    SINK,
    TENANT,
    Parts,
    Written,
    appointment,
    deliver_all,
    message,
    patient,
)


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
    deliver_all(parts.delivering(sink, schedule=(FAR,) * 5, info=altered(SINK, batch=1)))
    busy = False
    for native_id in ("p1", "p2"):
        parts.make_due(native_id)
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
