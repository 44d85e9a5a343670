"""Anything in any order: messages, failures, crashes and releases as hypothesis likes; the ledger holds after each."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.flow.deliver import Deliverer
from gateway.flow.quarantine import held, release
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Dispatch, Outcome, Receipt, Rejected, Retry
from gateway.store import messages
from tests.integration.conftest import SCALE
from tests.integration.parts import TENANT, Parts, Place, Written, appointment, drain, merged, message, patient, removed

PATIENTS = st.sampled_from(["p1", "p2", "p3"])
ANSWERS = st.sampled_from(["deliver", "retry", "reject", "ambiguous", "raise", "crash-before", "crash-after"])


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Outside(Written):
    """The system outside: it outlives every crash of the gateway, and knows keys it has seen."""

    mood: str = "deliver"

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        if self.mood == "crash-before":
            raise Crash
        if self.mood == "raise":
            raise ZeroDivisionError
        outcomes = await super().deliver(dispatch)
        if self.mood == "crash-after":
            raise Crash
        return outcomes


class Gateway(RuleBasedStateMachine):
    """One tenant's gateway with one route, on the embedded store."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="gateway-stateful-"))
        self.parts: Parts = Place(self.folder, "embedded").open()
        self.outside = Outside(self._answer)
        self.number = 0
        self.receipts: dict[str, int] = {}
        self._start_route()

    def _answer(self, delivery: Delivery) -> Outcome:
        answers: dict[str, Outcome] = {
            "retry": Retry("busy"), "reject": Rejected("no"), "ambiguous": Ambiguous("cut"),
        }  # fmt: skip
        return answers.get(self.outside.mood, Delivered("ok"))

    def _start_route(self) -> None:
        """Recover until no claim is open, in a good mood: a process that ends at once is started again."""
        self.outside.mood = "deliver"
        self.route: Deliverer = self.parts.delivering(self.outside, schedule=(0.0,) * 4)
        asyncio.run(self.route.recover())

    def _restart(self) -> None:
        self.parts = self.parts.reopen()
        self._start_route()

    @rule(who=PATIENTS, what=st.sampled_from(["patient", "appointment", "removed", "suppressed", "bad", "defect"]))
    def receive(self, who: str, what: str) -> None:
        """A message arrives."""
        self.number += 1
        patches = {
            "appointment": [appointment(f"a{self.number % 3}", who, reason=str(self.number))],
            "removed": [removed("Appointment", f"a{self.number % 3}", who)],
            "suppressed": [],
        }.get(what, [patient(who, f"V{self.number}")])
        told = {"suppressed": {"suppressed": "ack"}, "bad": {"fault": "content"}, "defect": {"fault": "defect"}}.get(
            what
        )
        item = message(*patches, control=f"c{self.number}", key=who, told=told)
        (first, again) = asyncio.run(self.parts.submit(item, item))
        assert isinstance(first, Receipt)
        assert isinstance(again, Receipt)
        assert (first.repeat, again.repeat, again.message_id) == (False, True, first.message_id)
        self.receipts[item.control_id] = first.message_id

    @rule(prior=PATIENTS, into=PATIENTS)
    def merge(self, prior: str, into: str) -> None:
        """Two patients turn out to be one."""
        if prior != into:
            self.number += 1
            asyncio.run(self.parts.accept(message(merged(prior, into), control=f"c{self.number}")))

    @rule()
    def normalize(self) -> None:
        """One batch is settled."""
        self.parts.normalizer.step(TENANT)

    @rule()
    def forget(self) -> None:
        """Memory is let go, as after an overflow."""
        self.parts.handoff.fall_behind(TENANT)

    @rule(mood=ANSWERS, steps=st.integers(1, 4))
    def deliver(self, mood: str, steps: int) -> None:
        """The route takes some steps while the system outside is in some mood."""
        self.outside.mood = mood
        try:
            for _ in range(steps):
                if asyncio.run(self.route.step()) is None:
                    break
        except Crash:
            self._restart()

    @rule()
    def crash(self) -> None:
        """The process ends and starts again."""
        self._restart()

    @precondition(lambda self: self.number > 0)
    @rule(which=st.integers(0, 5))
    def release(self, which: int) -> None:
        """A person releases something that is in quarantine."""
        found = self.parts.store.read_sync(lambda connection: held(connection, TENANT))
        if found:
            release(self.parts.store, self.parts.audit, TENANT, found[which % len(found)].id, "user:ann")

    @invariant()
    def adds_up(self) -> None:
        """Both equations of the ledger hold, and nothing is unaccounted for."""
        ledger = self.parts.ledger()
        assert ledger.problems == []
        settled = ledger.normalized + sum(ledger.suppressed.values()) + sum(ledger.quarantined.values())
        assert ledger.accepted == settled + ledger.pending
        for one in ledger.routes:
            ended = one.delivered + sum(one.suppressed.values()) + sum(one.quarantined.values()) + one.expired
            assert one.matching == ended + one.pending

    @invariant()
    def nothing_received_is_lost(self) -> None:
        """Every message that was receipted is there."""
        for message_id in self.receipts.values():
            assert self.parts.store.read_sync(lambda c, m=message_id: messages.one(c, TENANT, m)) is not None

    def teardown(self) -> None:
        """In the end everything settles: nothing waits but what a person must act upon, and the audit log is whole."""
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            stack.callback(self.parts.close)
            self.parts.settle()
            self.outside.mood = "deliver"
            self._start_route()
            asyncio.run(drain(self.route))
            ledger = self.parts.ledger()
            assert ledger.pending == 0
            assert ledger.problems == []
            for one in ledger.routes:
                assert one.pending == 0 or one.quarantined
                assert one.delivered <= len({delivery.key for delivery in self.outside.effects})
            self.parts.sequence()
            assert self.parts.store.read_sync(self.parts.audited).findings == ()


Gateway.TestCase.settings = settings(
    max_examples=max(2, int(6 * SCALE)), stateful_step_count=20, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


class TestGateway(Gateway.TestCase):  # type: ignore[misc]  # hypothesis makes the class
    """Runs the machine."""
