"""Visits booked, attended and left, and work before they run out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from gateway.model import fold
from gateway.model.appointment import Appointment
from gateway.model.authorization import Authorization
from gateway.model.exchange import Snapshot
from gateway.model.visit import Visit
from gateway_authorizations.config import AuthorizationsConfig
from gateway_authorizations.reactor import Authorizations

NOW = datetime(2026, 7, 16, 12, tzinfo=UTC)


def snapshot(record, id: str) -> Snapshot:
    return Snapshot(
        type=type(record).__name__, record_id=id, source="s", version=1, removed=False, patient="p",
        at="2026-07-14T12:00:00Z", observed_at="2026-07-14T12:00:00Z", record=record,
    )  # fmt: skip


def given(visits: int = 12, ends: date = date(2026, 12, 31), id: str = "auth-1") -> Snapshot:
    record = Authorization(
        status="approved", number="A1", patient="p", visits_approved=visits, starts_on=date(2026, 7, 1), ends_on=ends
    )
    return snapshot(record, id)


def appointment(number: int, status: str, **fields) -> Snapshot:
    start = NOW + timedelta(days=number if status in ("booked", "confirmed") else -number % 15)
    return snapshot(Appointment(start=start, status=status, patient="p", **fields), f"appointment-{status}-{number}")


def booked(count: int) -> list[Snapshot]:
    return [appointment(number, "booked") for number in range(1, count + 1)]


def attended(count: int) -> list[Snapshot]:
    return [appointment(number, "completed") for number in range(1, count + 1)]


def counted(*members: Snapshot, now: datetime = NOW):
    derivation = Authorizations().derive("patient:p", members, AuthorizationsConfig(), now)
    for one in derivation.records:
        fold(one.type, None, msgspec.json.decode(msgspec.json.encode(one.fields)))
    balances = [one.fields for one in derivation.records if one.type == "AuthorizationBalance"]
    return balances, [one.fields for one in derivation.records if one.type == "Task"], derivation.again


@pytest.mark.parametrize(
    ("used", "planned", "state", "free"),
    [(2, 3, "ample", 7), (5, 4, "short", 3), (5, 8, "overbooked", -1), (12, 0, "exhausted", 0)],
)
def test_the_balance_says_who_must_act(used, planned, state, free):
    """Attended and booked visits are taken from what was approved."""
    (balance,), tasks, _ = counted(given(), *attended(used), *booked(planned))
    assert (balance["state"], balance["visits_free"], balance["visits_used"]) == (state, free, used)
    assert bool(tasks) == (state != "ample")


def test_the_day_of_the_last_visit_is_told():
    """With two visits left and three booked, the second of these takes the last one."""
    (balance,), (task,), _ = counted(given(4), *attended(2), *booked(3))
    assert balance["runs_out_on"] == date(2026, 7, 18)
    assert task["due_on"] == date(2026, 7, 18)


def test_a_visit_and_its_appointment_are_one_use():
    """The treatment that an appointment became counts once; a cancelled one never."""
    visit = snapshot(
        Visit(service_date=date(2026, 7, 10), patient="p", appointment="appointment-completed-1"), "visit-1"
    )
    cancelled = appointment(2, "cancelled")
    (balance,), _, _ = counted(given(), *attended(1), visit, cancelled)
    assert balance["visits_used"] == 1


def test_an_end_that_comes_near_is_told_without_any_change():
    """The reactor asks to be called on the day that the warning begins, and says it then."""
    _, tasks, again = counted(given(ends=date(2026, 8, 30)), *booked(1))
    assert tasks == []
    assert again == datetime(2026, 8, 16, 6, tzinfo=UTC)
    assert counted(given(ends=date(2026, 8, 30)), *booked(1), now=again)[1][0]["kind"] == "authorization-short"


def test_two_that_could_hold_a_visit_hold_none_unless_named():
    """What the clinic's system does not say is not guessed."""
    named = appointment(1, "completed", authorization="auth-2")
    balances, _, _ = counted(given(), given(id="auth-2"), appointment(2, "completed"), named)
    assert [one["visits_used"] for one in balances] == [0, 1]
