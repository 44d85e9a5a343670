"""Anything in any order, as hypothesis likes: messages, failures, crashes, releases, new keys, shredding, the clock.

After each step the ledger holds, and in the end the oracle of the fault tests finds nothing. 80 is the scale
(`GATEWAY_FAULT_SCALE`) at which the machine takes some 100,000 steps.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.flow import clock
from gateway.flow.deliver import Deliverer
from gateway.flow.quarantine import held, release
from gateway.flow.rewrap import rewrap_stored
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Dispatch, Outcome, Receipt, Rejected, Retry
from gateway.store import agreements, messages
from gateway.vault.rotation import Rotation
from tests.faults.deployment import SCALE
from tests.faults.oracle import World, breaches
from tests.integration.parts import TENANT, Parts, Place, Written, appointment, drain, merged, message, patient, removed
from tests.integration.test_flow_agreements import agree
from tests.integration.test_flow_shred import shredder

PATIENTS = st.sampled_from(["p1", "p2", "p3"])
CANARY = "Quaggaworth"
DAY = 86_400_000_000
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
        self.shredded: set[bytes] = set()
        self.agreement = ""
        self.offset = 0
        self.clock = pytest.MonkeyPatch()
        self.clock.setattr(clock, "time", SimpleNamespace(time_ns=lambda: time.time_ns() + self.offset * 1000))
        self.agree()
        self._start_route()

    def _answer(self, delivery: Delivery) -> Outcome:
        answers: dict[str, Outcome] = {
            "retry": Retry("busy"), "reject": Rejected("no"), "ambiguous": Ambiguous("cut"),
        }  # fmt: skip
        return answers.get(self.outside.mood, Delivered("ok"))

    def _start_route(self) -> None:
        """Recover until no claim is open, in a good mood: a process that ends at once is started again."""
        self.outside.mood = "deliver"
        self.route: Deliverer = self.parts.delivering(self.outside, schedule=(0.0,) * 4, agreement=True)
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
        }.get(what, [patient(who, f"{CANARY}{self.number}")])
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
        done = len(self.outside.dispatches)
        try:
            for _ in range(steps):
                if asyncio.run(self.route.step()) is None:
                    break
        except Crash:
            self._restart()
        assert self.agreement or len(self.outside.dispatches) == done
        assert self.agreement or self.route.valve.shut(clock.micros()) == "no-agreement"

    @rule()
    def rotate(self) -> None:
        """Every patient and then the tenant gets a new key, what is stored follows, and the older keys end."""
        rotation = Rotation(self.parts.keystore)
        for begin, step in (
            (rotation.begin_patients, rotation.patients_step), (rotation.begin_tenant, rotation.tenant_step),
        ):  # fmt: skip
            begin(TENANT)
            while step(TENANT):
                pass
            rewrap_stored(self.parts.store, self.parts.vault, TENANT)

    @rule(who=PATIENTS)
    def shred(self, who: str) -> None:
        """A patient's keys are destroyed; at most one in a run, so that the others go on."""
        owner = self.parts.record("Patient", who)
        if not self.shredded and self.parts.keystore.keys_of(TENANT, owner):
            shredder(self.parts).shred(TENANT, owner, "patient-request", "user:ann")
            self.shredded.add(owner)

    @rule()
    def revoke(self) -> None:
        """The agreement with the receiver ends, as the next start of its route finds out."""
        if self.agreement:
            self.parts.store.write_sync(lambda connection: agreements.end(connection, TENANT, self.agreement, 1))
            self.agreement = ""
            self._restart()

    @rule()
    def agree(self) -> None:
        """There is an agreement with the receiver."""
        if not self.agreement:
            self.number += 1
            self.agreement = f"a{self.number}"
            agree(self.parts, agreement=self.agreement)

    @rule(step=st.sampled_from([-DAY, -300_000_000, 300_000_000, DAY]))
    def set_clock(self, step: int) -> None:
        """The clock is set, forward or back."""
        self.offset += step

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
            stack.callback(self.clock.undo)
            stack.callback(self.parts.close)
            self.offset = 400 * DAY
            self.agree()
            self.parts.settle()
            self._start_route()
            asyncio.run(drain(self.route))
            ledger = self.parts.ledger()
            assert ledger.pending == 0
            assert ledger.problems == []
            for one in ledger.routes:
                assert one.pending == 0 or one.quarantined
                assert one.delivered <= len({delivery.key for delivery in self.outside.effects})
            world = World(set(self.receipts), {"desk": self.outside}, (CANARY.encode(),))
            assert breaches(self.parts, world) == []
            for owner in self.shredded:
                assert self.parts.keystore.keys_of(TENANT, owner) == []


Gateway.TestCase.settings = settings(
    max_examples=max(3, int(50 * SCALE)), stateful_step_count=25, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


class TestGateway(Gateway.TestCase):  # type: ignore[misc]  # hypothesis makes the class
    """Runs the machine."""
