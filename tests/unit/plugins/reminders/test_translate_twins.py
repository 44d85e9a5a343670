"""A visit seen through two systems is reminded of once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gateway.model.exchange import Snapshot
from gateway.model.person import Person, PersonLink
from gateway.model.task import Task
from gateway_reminders.config import RemindersConfig
from gateway_reminders.reactor import Reminders
from tests.unit.plugins.reminders.told import CLINIC, START, consent, patient, sent, shown, visit

HOUR = timedelta(hours=1)
DUE = START - 2 * HOUR
PERSON = shown(Person(links=tuple(PersonLink(patient=id, assurance="certain") for id in ("p", "q"))), "h")


def theirs(one: Snapshot, id: str) -> Snapshot:
    """The same record as another system's patient ``q`` has it."""
    of = "q" if one.type == "Patient" else None
    record = one.record if of else msgspec.structs.replace(one.record, patient="q")
    return msgspec.structs.replace(one, record_id=of or id, source="t", patient="q", record=record)


BOTH = (
    patient(), consent(), visit("a1"), theirs(patient(), ""), theirs(consent(), "c2"), theirs(visit(), "b1"),
)  # fmt: skip


def step(owner: str, *members: Snapshot, now: Any = DUE, **config: Any) -> tuple[str, str | None]:
    """State and reason of the last step of one patient record."""
    settings = RemindersConfig.model_validate(CLINIC | config)
    found = Reminders().derive(f"patient:{owner}", members, settings, now).records
    (one,) = (each.fields for each in found if each.fields["step"] == "two-hours")
    return one["state"], one.get("held_because")


def without(members: tuple[Snapshot, ...], *ids: str) -> tuple[Snapshot, ...]:
    return tuple(one for one in members if one.record_id not in ids)


def test_one_person_and_visit_gets_one_reminder() -> None:
    """Of two sights of one visit the first reminds; the other says why it does not."""
    assert step("p", *BOTH, PERSON) == ("due", None)
    assert step("q", *BOTH, PERSON) == ("cancelled", "seen-twice")


def test_two_people_at_one_hour_get_one_each() -> None:
    """Without a person who is both, and for visits further apart, nothing is taken for the same."""
    assert step("q", *BOTH) == ("due", None)
    removed = msgspec.structs.replace(PERSON, removed=True)
    assert step("q", *BOTH, removed) == ("due", None)
    near = msgspec.structs.replace(
        PERSON, record=Person(links=tuple(PersonLink(patient=id, assurance="possible") for id in "pq"))
    )
    assert step("q", *BOTH, near) == ("due", None)
    later = theirs(visit(start=START + timedelta(minutes=11)), "b1")
    apart = (*without(BOTH, "b1"), later, PERSON)
    assert step("q", *apart, now=DUE + timedelta(minutes=11)) == ("due", None)
    assert step("q", *apart, now=DUE + timedelta(minutes=11), same_visit_minutes=11) == ("cancelled", "seen-twice")


@pytest.mark.parametrize(
    ("gone", "instead"), [("a1", ()), ("a1", (visit("a1", status="cancelled"),)), ("c-sms-granted-appointment-0", ())]
)
def test_the_other_sight_steps_in(gone: str, instead: tuple[Snapshot, ...]) -> None:
    """A visit that stands in one system only, or whose patient only one system may tell, is still reminded of."""
    assert step("q", *without(BOTH, gone), *instead, PERSON) == ("due", None)


def test_what_went_out_through_one_system_does_not_go_out_through_the_other() -> None:
    """Whoever reminded first, the same step of the same visit is not told again; a failed message told nothing."""
    mine = sent("a1/20260715T1530Z/two-hours/sms", DUE)
    assert step("q", *without(BOTH, "a1"), visit("a1", status="cancelled"), mine, PERSON) == ("cancelled", "seen-twice")
    yours = theirs(sent("b1/20260715T1530Z/two-hours/sms", DUE), "m2")
    assert step("p", *BOTH, yours, PERSON) == ("cancelled", "seen-twice")
    failed = theirs(sent("b1/20260715T1530Z/two-hours/sms", DUE, status="failed"), "m2")
    assert step("p", *BOTH, failed, PERSON) == ("due", None)


def test_an_answer_and_a_cap_count_for_the_person() -> None:
    """Who answered to one system is not asked by the other, and the day's cap is the person's."""
    answer = shown(Task(title="t", state="open", kind="reply-cancel", about="b1", patient="q"), "t1")
    assert step("p", *BOTH, theirs(answer, "t1"), PERSON) == ("cancelled", "patient-answered-cancel")
    other = theirs(sent("z/20260715T1530Z/one-day/sms", DUE - HOUR), "m2")
    assert step("p", *BOTH, other, PERSON, per_day=1) == ("held", "daily-cap")


def test_the_dead_are_not_reminded_by_the_system_that_does_not_know() -> None:
    """A death known to one system ends the reminders of all."""
    members = (*without(BOTH, "q"), theirs(patient(deceased=True), ""), PERSON)
    settings = RemindersConfig.model_validate(CLINIC)
    assert not Reminders().derive("patient:p", members, settings, DUE).records


def test_a_person_joins_the_groups_of_all_its_patients() -> None:
    """The core derives the patients of one person together."""
    settings = RemindersConfig.model_validate(CLINIC)
    assert list(Reminders().groups(PERSON, settings)) == ["patient:p", "patient:q"]
    assert "Person" in Reminders.info.joins
