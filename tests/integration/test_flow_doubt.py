"""What may have happened already stays in doubt, however long it is held back, until the receiver was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from gateway.flow.disclosed import accounting
from gateway.flow.last_look import LastLook
from gateway.flow.policy import Policy, Stop
from gateway.model.exchange import Ambiguous, Delivered, Dispatch, Item, Outcome, Retry
from gateway.store import messages
from gateway.store.rows import Found
from tests.integration.outcomes import Crash, rows, sound
from tests.integration.parts import FAR, SINK, TENANT, Parts, Written, deliver_all, message, patient

PROBED = replace(SINK, idempotency="probe")
UNPROTECTED = replace(SINK, idempotency="none")


@dataclass
class Crashing(Written):
    """Does what it is told, and the first time the process dies before anybody hears of it."""

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """The effect, and then the end."""
        first = not self.dispatches
        outcomes = await super().deliver(dispatch)
        if first:
            raise Crash
        return outcomes


def holding(monkeypatch: pytest.MonkeyPatch, held: Callable[[Found], bool]) -> None:
    """Let the next last look hold some changes back, and no later one."""
    calls: list[int] = []

    async def look(self: LastLook, changes: Sequence[Found], now: int) -> list[Stop | None]:
        calls.append(now)
        return [Stop("hold", "unsettled", 0.0) if len(calls) == 1 and held(one) else None for one in changes]

    monkeypatch.setattr(LastLook, "look", look)


@pytest.mark.parametrize("first", [True, False])
def test_what_is_held_back_after_a_crash_is_asked_about(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    """Held by the last look itself or behind a change that is, an effect of before the crash is not made again."""
    parts.take(message(patient("p1", "A")), message(patient("p1", "B")))
    sink = Crashing(probe_answer=lambda _: Delivered("found"))
    with pytest.raises(Crash):
        deliver_all(parts.delivering(sink, info=PROBED))
    holding(monkeypatch, lambda change: first or change.version == 1)
    deliver_all(parts.delivering(sink, info=PROBED))
    assert len(sink.effects) == 2
    assert [row[0] for row in rows(parts)] == ["delivered"] * 2
    sound(parts)


def test_what_did_not_happen_is_sent_once(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the receiver knows nothing of what was held in doubt, it is sent."""
    parts.take(message(patient("p1", "A")))
    sink = Crashing(probe_answer=lambda _: Retry("not found"))
    with pytest.raises(Crash):
        deliver_all(parts.delivering(sink, info=PROBED))
    holding(monkeypatch, lambda _: True)
    deliver_all(parts.delivering(sink, info=PROBED))
    assert len(sink.effects) == 2
    assert len(sink.probed) == 1
    sound(parts)


def test_without_any_protection_a_crash_is_for_a_person(parts: Parts) -> None:
    """A sink with neither keys nor a probe is not called again for what a crash cut off, unless a person says so."""
    parts.take(message(patient("p1", "A")))
    sink = Crashing()
    with pytest.raises(Crash):
        deliver_all(parts.delivering(sink, info=UNPROTECTED))
    deliver_all(parts.delivering(sink, info=UNPROTECTED))
    assert len(sink.effects) == 1
    assert rows(parts) == [("quarantined", "ambiguous:interrupted")]
    sound(parts)


@pytest.mark.parametrize(
    ("found", "first"),
    [
        (Delivered("found"), ("delivered", "")),
        (Retry("not found"), ("suppressed", "superseded")),
        (Ambiguous("no answer"), None),
    ],
)
def test_what_would_be_suppressed_is_asked_about_first(
    parts: Parts, found: Outcome, first: tuple[str, str] | None
) -> None:
    """A version in doubt that a newer one has followed is told as delivered where it was, and never sent again."""
    parts.take(message(patient("p1", "A")))
    sink = Crashing(probe_answer=lambda _: found)
    latest = Policy(latest_only=True)
    with pytest.raises(Crash):
        deliver_all(parts.delivering(sink, info=PROBED, policy=latest))
    parts.take(message(patient("p1", "B")))
    deliver_all(parts.delivering(sink, info=PROBED, policy=latest, schedule=(FAR,)))
    assert [delivery.version for delivery in sink.effects] == ([1] if first is None else [1, 2])
    assert len(sink.probed) == 1
    assert rows(parts) == ([] if first is None else [first, ("delivered", "")])
    sound(parts)


def test_what_a_receiver_answers_when_asked_is_kept(parts: Parts) -> None:
    """An answer that comes with the word that it happened is stored as an answer to the delivery would have been."""
    parts.take(message(patient("p1", "A")))
    told = Item(body=b'{"patches": []}', kind="test", control_id="answer", order_key="p1")
    sink = Crashing(probe_answer=lambda _: Delivered("found", answers=(told,)))
    latest = Policy(latest_only=True)
    with pytest.raises(Crash):
        deliver_all(parts.delivering(sink, info=PROBED, policy=latest))
    parts.take(message(patient("p1", "B")))
    before = parts.store.read_sync(lambda c: len(messages.latest(c, TENANT)))
    route = parts.delivering(sink, info=PROBED, policy=latest)
    route._answers = parts.receiver()
    deliver_all(route)
    assert parts.store.read_sync(lambda c: len(messages.latest(c, TENANT))) == before + 1
    sound(parts)


def test_what_cannot_be_asked_about_counts_as_disclosed(parts: Parts) -> None:
    """A version in doubt that is suppressed at a sink without probe stands on the patient's list of disclosures."""
    parts.take(message(patient("p1", "A")))
    sink, latest = Crashing(), Policy(latest_only=True)
    with pytest.raises(Crash):
        deliver_all(parts.delivering(sink, policy=latest))
    parts.take(message(patient("p1", "B")))
    deliver_all(parts.delivering(sink, policy=latest))
    assert rows(parts) == [("suppressed", "ambiguous:superseded"), ("delivered", "")]
    who = parts.record("Patient", "p1")
    told = parts.store.read_sync(lambda c: list(accounting(c, TENANT, who, 0, 2**62)))
    assert [(one.fields, one.receipt) for one in told] == [(("name",), "ambiguous:superseded"), (("name",), "ok")]
    sound(parts)
