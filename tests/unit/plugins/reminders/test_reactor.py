"""Reminders: planned, sent once, held and taken back for a reason."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.model.authorization import Authorization, AuthorizationBalance
from gateway.model.episode import PlanOfCare
from gateway.model.exchange import Derivation
from gateway.model.patient import ContactPoint
from gateway.model.task import Task
from gateway_reminders.config import RemindersConfig
from gateway_reminders.reactor import Reminders
from tests.unit.plugins.reminders.told import CLINIC, START, consent, derived, patient, sent, shown, states, the, visit

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BASICS = (patient(), consent())
TWO_HOURS = "a1/20260715T1530Z/two-hours/sms"


def test_three_steps_are_planned_and_only_what_is_due_says_something() -> None:
    """Before its time a reminder carries neither text nor address; at its time it carries both, in one segment."""
    assert states(*BASICS, visit(), now=START - 3 * DAY) == dict.fromkeys(
        ("two-days", "one-day", "two-hours"), ("planned", None)
    )
    planned = the("two-hours", *BASICS, visit(), now=START - 3 * DAY)
    assert planned["due_at"] == START - 2 * HOUR
    assert not planned.keys() & {"text", "to"}
    due = the("two-hours", *BASICS, visit(), now=START - 2 * HOUR)
    assert (due["state"], due["to"], due["consent"]) == ("due", "+13125550147", "c-sms-granted-appointment-0")
    assert due["text"].startswith("Northside PT: Ann, you have a visit Wed Jul 15 10:30 AM. Reply C")
    assert len(due["text"]) <= 160
    assert due["until"] == START - 45 * timedelta(minutes=1)


def test_the_core_is_told_when_to_look_again() -> None:
    """The next look is the next thing that happens by time alone."""
    assert derived(*BASICS, visit(), now=START - 3 * DAY).again == START - 2 * DAY
    assert derived(*BASICS, visit(), now=START - 30 * DAY).again == START - 16 * DAY
    assert derived(*BASICS, visit(), now=START + 3 * DAY) == Derivation()


@pytest.mark.parametrize(
    ("status", "reason"), [("cancelled", "visit-cancelled"), ("completed", "visit-over"), ("no-show", "visit-over")]
)
def test_a_visit_that_does_not_stand_takes_its_reminders_back(status: str, reason: str) -> None:
    """Cancelled and completed visits leave no reminder that could be sent."""
    found = states(*BASICS, visit(status=status), now=START - 2 * HOUR)
    assert set(found.values()) == {("cancelled", reason)}


def test_a_moved_or_removed_visit_leaves_nothing_of_the_old_time() -> None:
    """Another start makes other reminders under other ids; a removed visit makes none."""
    before = derived(*BASICS, visit(), now=START - 3 * DAY)
    after = derived(*BASICS, visit(start=START + DAY), now=START - 3 * DAY)
    assert not {one.native_id for one in before.records} & {one.native_id for one in after.records}
    gone = shown(visit().record, "a1", removed=True)
    assert derived(*BASICS, gone, now=START - 3 * DAY).records == ()


@pytest.mark.parametrize(
    "authorization",
    [
        Authorization(status="denied", patient="p"),
        Authorization(status="exhausted", patient="p"),
        Authorization(status="approved", patient="p", ends_on=date(2026, 7, 14)),
    ],
)
def test_an_unauthorized_visit_is_not_reminded_of(authorization: Authorization) -> None:
    """A refused or outrun authorization takes the reminders of its visits back, and of no others."""
    members = (*BASICS, visit(authorization="u"), shown(authorization, "u"))
    assert set(states(*members, now=START - 3 * DAY).values()) == {("cancelled", "visit-unauthorized")}
    good = shown(Authorization(status="approved", patient="p", ends_on=date(2026, 7, 15)), "u")
    assert states(*BASICS, visit(authorization="u"), good, now=START - 3 * DAY)["one-day"] == ("planned", None)


def test_what_went_out_stays_sent() -> None:
    """A message that was sent is not sent again, whatever becomes of consent, name or visit."""
    told = sent(TWO_HOURS, START - 2 * HOUR)
    assert states(*BASICS, visit(), told, now=START - HOUR)["two-hours"] == ("sent", None)
    revoked = consent(status="revoked", revoked_at=START)
    assert states(patient(), revoked, visit(status="cancelled"), told, now=START - HOUR)["two-hours"] == ("sent", None)


def test_a_reminder_older_than_its_visit_is_never_sent() -> None:
    """What was not sent in its time is too late, and nothing goes out once the visit has begun."""
    assert states(*BASICS, visit(), now=START - HOUR / 2)["two-hours"] == ("cancelled", "too-late")
    assert states(*BASICS, visit(), now=START - HOUR)["two-days"] == ("cancelled", "too-late")
    assert set(states(*BASICS, visit(), now=START).values()) == {("cancelled", "visit-past")}


def test_steps_before_the_booking_are_left_out() -> None:
    """Who books thirty hours ahead gets no reminder meant for two days ahead."""
    booked = visit(created_at=START - 30 * HOUR)
    assert set(states(*BASICS, booked, now=START - 29 * HOUR)) == {"one-day", "two-hours"}


def test_without_consent_for_purpose_and_channel_nothing_goes_out() -> None:
    """Consent to marketing or to another channel is none; the next preferred channel with one is used."""
    now = START - 2 * HOUR
    for other in (consent(purpose="marketing"), consent(status="unknown"), consent(purpose=None)):
        assert states(patient(), other, visit(), now=now)["two-hours"] == ("held", "no-consent")
    assert the("two-hours", patient(), consent("email"), visit(), now=now)["channel"] == "email"
    nowhere = patient(contacts=(ContactPoint(system="fax", value="+13125550147"),))
    assert states(nowhere, consent(), visit(), now=now)["two-hours"] == ("held", "no-address")


def test_a_stop_outlives_what_another_system_believes() -> None:
    """A withdrawal holds until a consent is given after it."""
    now = START - 2 * HOUR
    stop = consent(status="revoked", purpose=None, revoked_at=START - 5 * DAY)
    assert states(*BASICS, stop, visit(), now=now)["two-hours"] == ("held", "no-consent")
    old = consent(granted_at=START - 9 * DAY)
    assert states(patient(), old, stop, visit(), now=now)["two-hours"] == ("held", "no-consent")
    new = consent(granted_at=START - 4 * DAY)
    assert states(patient(), new, stop, visit(), now=now)["two-hours"][0] == "due"


def test_a_consent_that_ends_is_looked_at_again_in_time() -> None:
    """An expiry between now and the next step is a time to look again, and after it nothing goes out."""
    ends = START - 2 * DAY - HOUR
    held = consent(expires_at=ends)
    assert derived(patient(), held, visit(), now=START - 3 * DAY).again == ends
    assert states(patient(), held, visit(), now=ends)["two-days"] == ("held", "no-consent")


def test_a_failed_channel_is_followed_by_the_next() -> None:
    """Where a text message failed, the same step goes out by e-mail; where nothing is left it has failed."""
    failed = sent(TWO_HOURS, START - 2 * HOUR, status="failed", failure="landline")
    both = (*BASICS, consent("email"), visit(), failed)
    assert the("two-hours", *both, now=START - 2 * HOUR)["channel"] == "email"
    assert states(*BASICS, visit(), failed, now=START - 2 * HOUR)["two-hours"] == ("failed", None)


@pytest.mark.parametrize(("answer", "kept"), [("cancel", False), ("reschedule", False), ("confirm", True)])
def test_what_the_patient_answered_counts(answer: str, kept: bool) -> None:
    """Who asked to cancel or to move hears no more of that visit; who confirmed does, unless it is set otherwise."""
    reply = shown(Task(title="t", state="open", kind=f"reply-{answer}", about="a1", patient="p"), "t1")
    found = states(*BASICS, visit(), reply, now=START - 3 * HOUR)
    assert found["two-hours"] == (("planned", None) if kept else ("cancelled", f"patient-answered-{answer}"))
    told = sent("a1/20260715T1530Z/one-day/sms", START - DAY)
    assert states(*BASICS, visit(), reply, told, now=START - 3 * HOUR)["one-day"] == ("answered", None)
    less = states(*BASICS, visit(), reply, now=START - 3 * HOUR, remind_confirmed=False)
    assert less["two-hours"] == ("cancelled", f"patient-answered-{answer}")


def test_caps_fall_on_the_later_ones() -> None:
    """Of many messages on one day the first go out; in a week no more than are allowed, counting what was sent."""
    visits = [visit(f"a{number}", START + number * HOUR) for number in range(4)]
    found = derived(*BASICS, *visits, now=START - 3 * DAY, per_day=2, per_week=50)
    days: dict[date, int] = {}
    for one in found.records:
        if one.fields["state"] == "planned":
            day = one.fields["due_at"].date()
            days[day] = days.get(day, 0) + 1
    assert days == dict.fromkeys((date(2026, 7, 13), date(2026, 7, 14), date(2026, 7, 15)), 2)
    assert {one.fields.get("held_because") for one in found.records} == {None, "daily-cap"}
    told = [sent(f"b/x/{number}/sms", START - DAY * number) for number in range(1, 4)]
    assert states(*BASICS, visit(), *told, now=START - 2 * HOUR, per_week=3)["two-hours"] == ("held", "weekly-cap")


@pytest.mark.parametrize("fields", [{"deceased": True}, {"active": False}, {"merged_into": "q"}])
def test_nobody_is_reminded_who_must_not_be(fields: dict[str, object]) -> None:
    """The dead, the archived and the merged get nothing; nor does a patient who is not known."""
    assert derived(patient(**fields), consent(), visit(), now=START - 3 * DAY) == Derivation()
    assert derived(consent(), visit(), now=START - 3 * DAY) == Derivation()


def test_cadence_follows_location_type_and_missed_visits() -> None:
    """A location's own steps replace the general ones; steps may ask for a type or for missed visits."""
    place = {"name": "Southside", "cadence": [{"name": "call", "hours": 5, "channel": "voice"}]}
    found = the(
        "call", patient(), consent("voice"), visit(location="L1"), now=START - 5 * HOUR, locations={"L1": place}
    )
    assert (found["channel"], found["state"]) == ("voice", "planned")
    assert found["due_at"] == START - 150 * HOUR / 60  # 5:30 is moved to 8:00
    steps = [{"name": "first", "hours": 3, "types": ["eval"]}, {"name": "again", "hours": 4, "missed": 1}]
    assert states(*BASICS, visit(), now=START - DAY, cadence=steps) == {}
    assert set(states(*BASICS, visit(type="eval"), now=START - DAY, cadence=steps)) == {"first"}
    missed = visit("a0", START - 9 * DAY, "no-show")
    assert set(states(*BASICS, visit(), missed, now=START - DAY, cadence=steps)) == {"again"}


def test_a_risky_visit_gets_one_more_and_says_why() -> None:
    """Above the threshold the model adds a reminder with its reasons; below it, none."""
    risk = {
        "intercept": -3.0, "lead_time": 0.2, "early": 0, "late": 0, "monday": 0, "friday": 0, "missed_share": 6.0,
        "new_patient": 0.1, "base_rate": 0.12,
    }  # fmt: skip
    missed = [visit(f"o{number}", START - (9 + number) * DAY, "no-show") for number in range(3)]
    booked = visit(created_at=START - 20 * DAY)
    found = the("risk", *BASICS, booked, *missed, now=START - 4 * DAY, risk=risk)
    assert found["because"].endswith("12% are usual; booked 20 days ahead; missed 3 of 3 earlier visits.")
    assert "risk" not in states(*BASICS, booked, now=START - 4 * DAY, risk=risk)


def test_nudges_are_off_and_need_consent_for_care() -> None:
    """Each nudge must be switched on, and goes out only under consent for the purpose of care."""
    missed = visit(start=START - 2 * DAY, status="no-show")
    kept = visit(start=START - 20 * DAY, status="completed")
    balance = shown(AuthorizationBalance(authorization="u", patient="p", visits_remaining=4), "b")
    plan = shown(PlanOfCare(patient="p", status="certified"), "poc")
    on = {"nudges": {"rebook_after_hours": 24, "visits_left": 4, "quiet_days": 14}}
    care = consent(purpose="care")
    for members, kind in (((missed,), "rebook"), ((kept, balance), "authorization"), ((kept, plan), "plan-of-care")):
        quiet = [one for one in derived(*BASICS, care, *members, now=START).records if one.fields["kind"] != "visit"]
        assert quiet == []
        found = [one.fields for one in derived(*BASICS, care, *members, now=START - DAY + HOUR, **on).records]
        (nudge,) = (one for one in found if one["kind"] == kind)
        assert (nudge["state"] in ("due", "cancelled"), "text" in nudge or nudge.get("held_because") == "too-late") == (
            True,
            True,
        )
        (held,) = (
            one.fields
            for one in derived(*BASICS, *members, now=nudge["due_at"], **on).records
            if one.fields["kind"] == kind
        )
        assert held["held_because"] == "no-consent"
    again = visit("a2", START + 5 * DAY)
    kinds = {one.fields["kind"] for one in derived(*BASICS, care, missed, again, now=START, **on).records}
    assert kinds == {"visit"}


def test_groups_are_patients() -> None:
    """Every record is in its patient's group; tasks that are no answers are in none."""
    settings = RemindersConfig.model_validate(CLINIC)
    for one in (patient(), visit(), consent()):
        assert Reminders().groups(one, settings) == ("patient:p",)
    other = shown(Task(title="t", state="open", kind="authorization-short", patient="p"), "t")
    assert Reminders().groups(other, settings) == ()


def test_nothing_depends_on_where_the_computer_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The computer's own zone changes nothing."""
    import time

    now = datetime(2026, 7, 14, 3, tzinfo=UTC)
    one = derived(*BASICS, visit(), now=now)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert derived(*BASICS, visit(), now=now) == one
    finally:
        monkeypatch.undo()
        time.tzset()
