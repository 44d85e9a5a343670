"""Writing back over a real connection: each wish comes true once, whatever happens to the answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from gateway.flow.call import Caller
from gateway.flow.dispatch import Route
from gateway.flow.route import Filter
from gateway.model.exchange import Delivered, Delivery, Dispatch, Outcome, RateBudget, Rejected, Retry
from gateway_cliniko.config_writeback import WritebackConfig
from gateway_cliniko.plugin import ClinikoSink
from gateway_cliniko.simulator import API_KEY, BUDGET, ClinikoSimulator
from gateway_cliniko.simulator_filters import Row, value_of
from gateway_cliniko.simulator_rows import utc
from tests.integration.parts import VIEW
from tests.unit.adapters.cliniko.account import CLINIC, START
from tests.unit.adapters.cliniko.test_translate_wish import delivery
from tests.waiting import PATIENCE

NOTE = "Confirmed by the patient in answer to the reminder."
ACTS = {
    "visit-arrived": "arrived", "visit-no-show": "did-not-arrive", "visit-cancelled": "cancel", "reply-confirm": "note",
}  # fmt: skip
SINK = ClinikoSink()
ROUTE = Route("northside", "back", Filter(), VIEW, "treatment", "Cliniko", halt=True, info=SINK.info)


class Desk:
    """One account whose clock stands before every visit that is not over, and the sink that writes into it."""

    def __init__(self, simulator: ClinikoSimulator, key: Path, **settings: Any) -> None:
        self.simulator = simulator
        config = WritebackConfig(
            **{"api_key": f"file:{key}", "contact_email": "ops@example.com", "base_url": simulator.base_url,
               "acts": ACTS, "timeout_seconds": 5.0} | settings
        )  # fmt: skip
        self.sink = SINK.open("back", config)
        self._caller = Caller(ROUTE, self.sink)

    def visit(self, **marks: Any) -> Row:
        """An appointment the day after tomorrow, and its only attendee, without any mark unless given."""
        row = next(iter(self.simulator.tables["individual_appointments"].values()))
        row.update({"cancelled_at": None, "did_not_arrive": False, "patient_arrived": False, "notes": None})
        row.update({"starts_at": utc(datetime.now(UTC) + timedelta(days=2))} | marks)
        self.place(row).update(arrived=None, cancelled_at=None)
        return row

    def place(self, row: Row) -> Row:
        """The attendee of an appointment."""
        attendees = self.simulator.tables["attendees"].values()
        return next(one for one in attendees if value_of(one, "booking_id") == row["id"])

    @property
    def done(self) -> dict[str, int]:
        """How often which kind of write was done."""
        return dict(self.simulator.writes.done)

    async def send(self, *deliveries: Delivery, doubtful: bool = False) -> list[Outcome]:
        """As the core sends them: probed after what is ambiguous, and before what may have happened."""
        dispatch = Dispatch(id="1", route="back", deliveries=deliveries)
        return list(await self._caller.send(dispatch, {one.key for one in deliveries} if doubtful else set()))


def at_desk(
    body: Callable[[Desk], Awaitable[None]], folder: Path, *, budget: RateBudget = BUDGET, **settings: Any
) -> None:
    """Run a test body against a fresh account."""
    key = folder / "key"
    key.write_text(API_KEY)
    key.chmod(0o600)

    async def run() -> None:
        simulator = ClinikoSimulator(CLINIC, budget=budget, now=lambda: START)
        await simulator.start()
        desk = Desk(simulator, key, **settings)
        try:
            await asyncio.wait_for(body(desk), PATIENCE)
        finally:
            await desk.sink.close()
            await simulator.stop()

    asyncio.run(run())


def _failed() -> web.Response:
    return web.Response(text="Something went wrong", status=500)


def asked(kind: str, row: Row, **more: Any) -> Delivery:
    """A delivery about a row."""
    return delivery(kind, native_id=row["id"], **more)


PAST = "2026-01-05T10:00:00Z"


@pytest.mark.parametrize(
    ("kind", "marks", "done"),
    [
        ("visit-arrived", {}, {"arrive": 1}),
        ("visit-no-show", {"starts_at": PAST}, {"arrive": 1}),
        ("visit-cancelled", {}, {"cancel": 1}),
        ("reply-confirm", {"notes": "Bring shoes"}, {"update": 1}),
    ],
)
def test_each_wish_comes_true_and_a_repeat_writes_nothing(kind: str, marks: Row, done: Any, tmp_path: Path) -> None:
    """The clinic shows it; the same delivery again, as after a crash, finds it done."""

    async def body(desk: Desk) -> None:
        row = desk.visit(**marks)
        (first,) = await desk.send(asked(kind, row))
        assert isinstance(first, Delivered)
        assert first.told == ("kind", "about.native_id")
        assert row["id"] not in first.receipt
        shown = {
            "visit-arrived": row["patient_arrived"], "visit-no-show": row["did_not_arrive"],
            "visit-cancelled": row["cancelled_at"] and row["cancellation_reason"] == 50,
            "reply-confirm": row["notes"] == f"Bring shoes\n{NOTE}",
        }  # fmt: skip
        assert shown[kind]
        (again,) = await desk.send(asked(kind, row))
        (after_crash,) = await desk.send(asked(kind, row), doubtful=True)
        assert isinstance(again, Delivered)
        assert isinstance(after_crash, Delivered)
        assert desk.done == done

    at_desk(body, tmp_path)


@pytest.mark.parametrize("fault", ["late", "lost", "failed"])
@pytest.mark.parametrize("kind", ["visit-arrived", "visit-cancelled", "reply-confirm"])
def test_work_whose_answer_is_lost_is_found_and_not_done_again(kind: str, fault: str, tmp_path: Path) -> None:
    """Done, and then too late, cut off or 500: the look afterwards finds it, and one write was made."""

    async def body(desk: Desk) -> None:
        desk.simulator.late_seconds = 1.5
        row = desk.visit()
        desk.simulator.fail(fault)
        (outcome,) = await desk.send(asked(kind, row))
        assert isinstance(outcome, Delivered)
        assert outcome.receipt.endswith("found")
        assert outcome.told == ("kind", "about.native_id")
        assert sum(desk.done.values()) == 1

    at_desk(body, tmp_path, timeout_seconds=1.0)


@pytest.mark.parametrize("fault", ["500", "429", "html", "half-body"])
def test_what_breaks_before_the_write_is_tried_again(fault: str, tmp_path: Path) -> None:
    """Nothing was written when the look failed; the next attempt writes once."""

    async def body(desk: Desk) -> None:
        row = desk.visit()
        desk.simulator.fail(fault)
        (outcome,) = await desk.send(asked("visit-arrived", row))
        assert isinstance(outcome, Retry)
        assert desk.done == {}
        desk.sink._window._resume_at = 0  # type: ignore[attr-defined]  # the pause of a 429 is tested below
        assert isinstance((await desk.send(asked("visit-arrived", row)))[0], Delivered)
        assert desk.done == {"arrive": 1}

    at_desk(body, tmp_path)


def test_a_write_refused_for_its_day_is_asked_about_and_tried_again(tmp_path: Path) -> None:
    """500 without the work: the look says that it was not written, and the core comes again."""

    async def body(desk: Desk) -> None:
        row = desk.visit()
        dispatched = desk.send(asked("visit-cancelled", row))
        real = desk.simulator._broken
        answers = iter([None, _failed()])
        desk.simulator._broken = lambda: next(answers, None) or real()  # type: ignore[method-assign]  # the second request, the write, fails
        assert await dispatched == [Retry("not-written")]
        assert desk.done == {}
        assert isinstance((await desk.send(asked("visit-cancelled", row), doubtful=True))[0], Delivered)
        assert desk.done == {"cancel": 1}

    at_desk(body, tmp_path)


def test_the_budget_is_told_and_kept(tmp_path: Path) -> None:
    """429 is a pause of what the vendor names; our own limit keeps the vendor's count from being reached."""

    async def body(desk: Desk) -> None:
        row = desk.visit()
        desk.simulator.fail("429")
        (outcome,) = await desk.send(asked("visit-arrived", row))
        assert isinstance(outcome, Retry)
        assert outcome.reason == "budget-used-up"
        assert outcome.after is not None
        assert 0 < outcome.after <= 120

    at_desk(body, tmp_path)


@pytest.mark.parametrize(
    ("gone", "reason"), [({"deleted_at": PAST}, "appointment-gone"), ({}, "appointment-not-found")]
)
def test_what_is_not_there_is_refused(gone: Row, reason: str, tmp_path: Path) -> None:
    """A deleted appointment, or an id that nobody knows, is a matter for a person."""

    async def body(desk: Desk) -> None:
        row = desk.visit(**gone)
        one = asked("visit-arrived", row) if gone else asked("visit-arrived", {"id": "999"})
        assert await desk.send(one) == [Rejected(reason)]
        assert desk.done == {}

    at_desk(body, tmp_path)


def test_a_refused_value_is_told_by_its_field_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """422 names the field; the words beside it, and the id, are in no outcome and no log line."""
    caplog.set_level(logging.DEBUG)

    async def body(desk: Desk) -> None:
        row = desk.visit()
        desk.sink._config.reasons["odd"] = 31  # type: ignore[attr-defined]  # settings refuse a code that the vendor does not take
        (outcome,) = await desk.send(asked("visit-cancelled", row, body={"reason": "odd"}))
        assert outcome == Rejected("not-valid:cancellation_reason")
        assert row["id"] not in caplog.text
        assert desk.done == {}

    at_desk(body, tmp_path)


def test_a_withdrawn_key_stops_for_a_while_and_loses_nothing(tmp_path: Path) -> None:
    """401 is our own trouble: the route waits an hour."""

    async def body(desk: Desk) -> None:
        row = desk.visit()
        desk.simulator._basic = ["Basic none"]
        assert await desk.send(asked("visit-arrived", row)) == [Retry("not-authorized", 3600.0)]

    at_desk(body, tmp_path)


def test_a_place_in_a_class_is_marked_and_cancelled(tmp_path: Path) -> None:
    """The attendee's own id leads to the attendee, and the class says when it begins."""

    async def body(desk: Desk) -> None:
        groups = desk.simulator.tables["group_appointments"]
        places = [one for one in desk.simulator.tables["attendees"].values() if value_of(one, "booking_id") in groups]
        first, second = (one for one in places[:2])
        for one in (first, second):
            groups[str(value_of(one, "booking_id"))]["starts_at"] = utc(datetime.now(UTC) + timedelta(days=1))
        in_class = {"id": first["id"] + "#attendee"}, {"id": second["id"] + "#attendee"}
        outcomes = await desk.send(
            asked("visit-arrived", in_class[0]), asked("visit-cancelled", in_class[1], key="k2", order="o2")
        )
        assert [type(one) for one in outcomes] == [Delivered, Delivered]
        assert first["arrived"] is True
        assert second["cancelled_at"]

    at_desk(body, tmp_path)


def test_deliveries_of_one_patient_wait_for_each_other(tmp_path: Path) -> None:
    """After one that failed, the next of the same patient is held, and another patient's goes on."""

    async def body(desk: Desk) -> None:
        row = desk.visit(deleted_at=None)
        first = asked("visit-arrived", {"id": "999"})
        held, other = (
            replace(asked("visit-arrived", row), key="k2"),
            replace(asked("reply-confirm", row), key="k3", order="o2"),
        )
        outcomes = await desk.send(first, held, other)
        assert [type(one) for one in outcomes] == [Rejected, Retry, Delivered]

    at_desk(body, tmp_path)
