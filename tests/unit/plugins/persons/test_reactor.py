"""Who is one person: exact rules, near matches for a person, decisions that stand, and never a merge."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import permutations

import msgspec
import pytest

from gateway.model import fold
from gateway.model.exchange import Snapshot
from gateway.model.patient import ContactPoint, Identifier, Patient, PersonName
from gateway.model.person import PersonDecision
from gateway_persons.config import PersonsConfig
from gateway_persons.reactor import Persons

CONFIG = PersonsConfig()
BORN = date(1980, 5, 4)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def snapshot(record, id: str, source: str = "north", *, removed: bool = False) -> Snapshot:
    return Snapshot(
        type=type(record).__name__, record_id=id, source=source, version=1, removed=removed, patient=None,
        at="2026-06-01T00:00:00Z", observed_at="2026-06-01T00:00:00Z", record=record,
    )  # fmt: skip


def patient(id: str, *, given="Ada", family="Byrne", born=BORN, phone="", email="", number="", source="north", **more):
    contacts = [ContactPoint(system="phone", value=phone)] * bool(phone)
    contacts += [ContactPoint(system="email", value=email)] * bool(email)
    numbers = (Identifier(value=number, type="MR", authority="GROUP"),) * bool(number)
    name = PersonName(family=family, given=given)
    record = Patient(name=name, birth_date=born, contacts=tuple(contacts), identifiers=numbers)
    return snapshot(record, id, source, **more)


def decision(first: str, second: str, verdict: str, *, minute: int = 0, births=(BORN, BORN)):
    record = PersonDecision(
        first=first, second=second, first_born=births[0], second_born=births[1], verdict=verdict,
        decided_by="cli:ann",
        decided_at=NOW.replace(minute=minute),
    )  # fmt: skip
    return snapshot(record, f"decision-{first}-{second}-{minute}", "gateway.decisions")


def derived(*members: Snapshot):
    """Everything that follows: sets of linked patients, and (kind, about) of what is left to a person."""
    reactor = Persons()
    keys = sorted({key for one in members for key in reactor.groups(one, CONFIG)})
    people, tasks = [], []
    for key in keys:
        group = [one for one in members if key in reactor.groups(one, CONFIG)]
        for made in reactor.derive(key, group, CONFIG, NOW).records:
            fold(made.type, None, msgspec.json.decode(msgspec.json.encode(made.fields)))
            if made.type == "Person":
                people.append({link["patient"] for link in made.fields["links"]})
            else:
                tasks.append((made.fields["kind"], made.fields["about"]))
    return people, tasks


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"phone": "(555) 010-4477"}, {"phone": "+1 555 010 4477"}),
        ({"email": "Ada@Example.org "}, {"email": "ada@example.org"}),
        ({"given": "Zoë", "phone": "555-010-4477"}, {"given": "ZOE", "phone": "5550104477"}),
        ({"number": "A-17"}, {"number": "a-17", "family": "Lovelace"}),
    ],
)
def test_exact_rules_link_after_normalization(first, second) -> None:
    """Same birth date and record number, or name with a shared number or address, is one person."""
    people, tasks = derived(patient("a", **first), patient("b", source="south", **second))
    assert people == [{"a", "b"}]
    assert tasks == []


@pytest.mark.parametrize(
    ("second", "task"),
    [
        ({"phone": "555-010-9999"}, [("person-same-name", "a")]),
        ({"given": "Bea", "phone": "555-010-4477"}, [("person-same-contact", "a")]),
        ({"given": "Bea", "phone": "555-010-9999"}, []),
        ({"born": date(1980, 5, 5), "phone": "555-010-4477"}, []),
    ],
)
def test_what_is_near_is_left_to_a_person(second, task) -> None:
    """Twins, namesakes and typing errors are linked by no rule; those that look alike are listed once."""
    assert derived(patient("a", phone="555-010-4477"), patient("b", source="south", **second)) == ([], task)


def test_one_record_number_with_two_birth_dates_is_a_conflict() -> None:
    """The number alone does not overrule the birth date: somebody has to look."""
    other = patient("b", number="17", born=date(1999, 1, 1), source="south")
    assert derived(patient("a", number="17"), other) == ([], [("person-number-conflict", "a")])


def test_filler_birth_dates_link_nobody() -> None:
    """A date that stands for unknown is none."""
    same = {"born": date(1900, 1, 1), "phone": "555-010-4477"}
    assert derived(patient("a", **same), patient("b", **same)) == ([], [])


def test_links_go_through_and_in_any_order() -> None:
    """Three patients linked by two rules are one person with one name, in whatever order they came."""
    members = (
        patient("a", phone="555-010-4477"), patient("b", phone="555-010-4477", number="17"), patient("c", number="17")
    )  # fmt: skip
    assert all(derived(*order) == ([{"a", "b", "c"}], []) for order in permutations(members))


def test_a_decision_outlives_every_rule() -> None:
    """Unlinked patients stay apart though a rule fits; linked ones are one though none fits; the last word counts."""
    alike = (patient("a", phone="555-010-4477"), patient("b", phone="555-010-4477"))
    assert derived(*alike, decision("a", "b", "different")) == ([], [])
    assert derived(*alike, decision("a", "b", "different"), decision("a", "b", "same", minute=1))[0] == [{"a", "b"}]
    strangers = (patient("a"), patient("b", family="Other", given="Name"))
    assert derived(*strangers, decision("a", "b", "same"))[0] == [{"a", "b"}]
    assert derived(*strangers, decision("a", "b", "same"), decision("a", "b", "different", minute=1))[0] == []


def test_a_chain_of_rules_does_not_overrule_a_decision() -> None:
    """When rules would join two whom somebody set apart by way of a third, a person must look again."""
    members = (
        patient("a", phone="555-010-4477"), patient("b", phone="555-010-4477", number="17"), patient("c", number="17")
    )  # fmt: skip
    people, tasks = derived(*members, decision("a", "c", "different"))
    assert len(people) == 1
    assert not {"a", "c"} <= people[0]
    assert "person-rejected-chain" in {kind for kind, _ in tasks}


@pytest.mark.parametrize("other", [date(1999, 1, 1), None])
def test_a_decision_links_across_birth_dates(other) -> None:
    """A typing error in a birth date, or a missing one, is mended by a person's word: one person, told once."""
    apart = patient("b", born=other)
    assert derived(patient("a"), apart, decision("a", "b", "same", births=(BORN, other)))[0] == [{"a", "b"}]


def test_a_removed_or_merged_patient_is_no_link() -> None:
    """Who is gone at the source, or was merged into another there, is not linked."""
    gone = patient("b", phone="555-010-4477", removed=True)
    assert derived(patient("a", phone="555-010-4477"), gone) == ([], [])
    merged = msgspec.structs.replace(gone, removed=False, record=msgspec.structs.replace(gone.record, merged_into="a"))
    assert derived(patient("a", phone="555-010-4477"), merged) == ([], [])
