"""Duplicates: what one person has in two systems is flagged, once, and nothing else is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import combinations, permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import fold
from gateway.model.appointment import Appointment
from gateway.model.authorization import Authorization
from gateway.model.exchange import Derivation, Snapshot
from gateway.model.person import Person, PersonLink
from gateway.model.visit import Charge, Visit
from gateway_duplicates.config import DuplicatesConfig
from gateway_duplicates.reactor import Duplicates
from gateway_duplicates.translate import Known, compared, same

START = datetime(2026, 7, 15, 15, 30, tzinfo=UTC)
DAY = date(2026, 7, 15)
SOURCES = {"p": "north", "q": "south"}


def shown(record: Any, id: str, *, removed: bool = False) -> Snapshot:
    """One record as the core shows it."""
    owner = getattr(record, "patient", None)
    return Snapshot(
        type=type(record).__name__, record_id=id, source=SOURCES.get(owner, "reactor.persons"), version=1,
        removed=removed, patient=owner, at="2026-07-01T12:00:00Z", observed_at="2026-07-01T12:00:00Z", record=record,
    )  # fmt: skip


PERSON = shown(Person(links=tuple(PersonLink(patient=id, assurance="certain") for id in "pq")), "h")


def visit(owner: str, start: datetime = START, status: Any = "booked") -> Snapshot:
    return shown(Appointment(start=start, status=status, patient=owner), f"a-{owner}")


def treated(owner: str, code: str, **fields: Any) -> Snapshot:
    return shown(Visit(patient=owner, charges=(Charge(procedure_code=code),), **fields), f"t-{owner}")


def permitted(owner: str, number: str | None = None, **fields: Any) -> Snapshot:
    return shown(Authorization(status="approved", number=number, patient=owner, **fields), f"u-{owner}")


def derived(key: str, *members: Snapshot, now: datetime = START, **config: Any) -> Derivation:
    """What follows, the same in any order of members, and readable as canonical records."""
    settings = DuplicatesConfig.model_validate(config)
    found = Duplicates().derive(key, members, settings, now)
    for order in permutations(members):
        assert Duplicates().derive(key, order, settings, now) == found
    for one in found.records:
        fold(one.type, None, msgspec.json.decode(msgspec.json.encode(one.fields)))
    return found


def kinds(*members: Snapshot, **config: Any) -> list[str]:
    """What is flagged, for both patients together."""
    found = [one for key in "pq" for one in derived(key, *members, **config).records]
    return [str(one.fields["kind"]) for one in found]


def test_one_pair_is_one_task_that_names_both() -> None:
    """The pair is told of at its first patient only, with both records and no value of either."""
    (task,) = derived("p", PERSON, visit("p"), visit("q")).records
    assert (task.fields["about"], task.patient, task.fields["state"]) == ("a-p", "p", "open")
    assert str(task.fields["title"]).endswith(" a-q.")
    assert derived("q", PERSON, visit("p"), visit("q")).records == ()


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (visit("p"), visit("q", START + timedelta(minutes=10)), "duplicate-visit"),
        (visit("p"), visit("q", status="cancelled"), "duplicate-visit"),
        (treated("p", "97110", start=START), treated("q", "97140", start=START), "duplicate-treatment"),
        (treated("p", "97110", service_date=DAY), treated("q", "97110", service_date=DAY), "duplicate-treatment"),
        (permitted("p", "AB-12"), permitted("q", "ab12"), "duplicate-authorization"),
        (
            permitted("p", starts_on=DAY, ends_on=DAY, visits_approved=8),
            permitted("q", "X1", starts_on=DAY, ends_on=DAY, visits_approved=8), "duplicate-authorization",
        ),
    ],
)  # fmt: skip
def test_the_same_thing_is_flagged(first: Snapshot, second: Snapshot, kind: str) -> None:
    """Equal by the rules, it is flagged for one person, and not for two people."""
    assert kinds(PERSON, first, second) == [kind]
    assert kinds(first, second) == []
    assert kinds(msgspec.structs.replace(PERSON, removed=True), first, second) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (visit("p"), visit("q", START + timedelta(minutes=11))),
        (visit("p", status="cancelled"), visit("q", status="cancelled")),
        (visit("p"), msgspec.structs.replace(visit("q"), removed=True)),
        (treated("p", "97110", service_date=DAY), treated("q", "97140", service_date=DAY)),
        (treated("p", "97110", start=START), treated("q", "97110", start=START, status="cancelled")),
        (permitted("p", "AB12"), permitted("q", "AB13")),
        (permitted("p"), permitted("q")),
        (visit("p"), permitted("q", "AB12")),
    ],
)
def test_what_only_looks_alike_is_not_flagged(first: Snapshot, second: Snapshot) -> None:
    """Other times, numbers, procedures, and what is cancelled everywhere or gone, are left alone."""
    assert kinds(PERSON, first, second) == []


def test_two_of_one_patient_record_are_not_a_duplicate() -> None:
    """Two visits that one system itself holds of one patient are its own affair."""
    other = msgspec.structs.replace(visit("p"), record_id="a-z")
    assert kinds(PERSON, visit("p"), other) == []


def test_states_that_differ_are_named() -> None:
    """That one system has cancelled what the other still expects is what a person must know first."""
    (task,) = derived("p", PERSON, visit("p"), visit("q", status="cancelled")).records
    assert task.fields["reason"] == "Same person and time; one says booked, the other cancelled"


def test_mirrored_sources_are_flagged_and_nobodys_work() -> None:
    """What is known to come twice stays visible and asks nobody."""
    (task,) = derived("p", PERSON, visit("p"), visit("q"), mirrored=[("south", "north")]).records
    assert task.fields["state"] == "dismissed"


def test_a_pair_is_shown_for_its_days_and_then_taken_back() -> None:
    """The core is told when to look again, and then nothing is left."""
    found = derived("p", PERSON, visit("p"), visit("q"), days=3)
    assert found.again == START + timedelta(days=3)
    assert derived("p", PERSON, visit("p"), visit("q"), days=3, now=START + timedelta(days=3)) == Derivation()


TIMES = st.integers(0, 40).map(lambda minutes: START + timedelta(minutes=minutes, seconds=minutes % 7))
DAYS = st.none() | st.sampled_from([DAY, DAY + timedelta(days=1)])
STATES = st.sampled_from(["booked", "cancelled"])
VISITS = st.builds(
    lambda owner, start, day, code, status: Visit(
        patient=owner, start=start, service_date=day, charges=(Charge(procedure_code=code),), status=status
    ),
    st.sampled_from("pq"), st.none() | TIMES, DAYS, st.sampled_from(["97110", "97140"]),
    st.sampled_from(["completed", "cancelled"]),
)  # fmt: skip
APPOINTMENTS = st.builds(
    lambda owner, start, status: Appointment(patient=owner, start=start, status=status),
    st.sampled_from("pq"), TIMES, STATES,
)  # fmt: skip
PERMITS = st.builds(
    lambda owner, number, first, last, visits: Authorization(
        patient=owner, status="approved", number=number, starts_on=first, ends_on=last, visits_approved=visits
    ),
    st.sampled_from("pq"), st.sampled_from([None, "A-1", "a1", "--"]), DAYS, DAYS,
    st.none() | st.integers(1, 2).map(Decimal),
)  # fmt: skip


@given(st.lists(VISITS | APPOINTMENTS | PERMITS, max_size=12), st.sampled_from([0, 10, 45]))
def test_no_pair_is_passed_over(records: list[Any], minutes: int) -> None:
    """What comparing everything with everything would flag is flagged, for any records and any distance in time."""
    things = [Known(f"r{number:02}", one.patient, "north", one) for number, one in enumerate(records)]
    within = timedelta(minutes=minutes)
    every = [(a, b) for a, b in combinations(things, 2) if same(a.record, b.record, within)]
    assert [(a, b) for a, b in compared(things, within) if same(a.record, b.record, within)] == every


def test_years_of_visits_in_two_systems_are_few_pairs() -> None:
    """Two thousand visits in each of two systems are a few thousand comparisons, and not eight million."""
    days = [START + timedelta(days=number) for number in range(2000)]
    things = [
        Known(f"{owner}{day.date()}", owner, SOURCES[owner], Appointment(start=day, status="booked", patient=owner))
        for owner in "pq"
        for day in days
    ]
    assert len(compared(things, timedelta(minutes=10))) == 2000
