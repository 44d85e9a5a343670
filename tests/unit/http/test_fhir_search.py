"""Search parameters: what is declared is what works, and what cannot be answered is refused with its place."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from gateway.http import fhir_tokens
from gateway.http.fhir_capability import statement
from gateway.http.fhir_dates import parse_range
from gateway.http.fhir_parameters import STATUS_SYSTEMS
from gateway.http.fhir_search import DATES, INCLUDES, NUMBERED, offered, read_search, references
from gateway.http.refusal import HttpRefusal
from gateway.model import TYPES
from gateway.model.fhir_places import REFERS, RESOURCES
from gateway.wire.fhir import PROJECTIONS, RESOURCE

ID = str(UUID(int=7))
EVERY = frozenset(RESOURCES)
STATEMENT = statement("https://gateway.example.org", "1")
DECLARED = {one["type"]: one for one in STATEMENT["rest"][0]["resource"]}


@pytest.mark.parametrize("resource", sorted(RESOURCES))
def test_what_a_resource_refers_to_can_be_included_and_nothing_else_is_declared(resource: str) -> None:
    """Each declared include brings a kind of resource that the projection refers to, and each kind has an include."""
    refers: set[str] = set()
    for type in RESOURCES[resource]:
        named = {one.name for one in msgspec.structs.fields(TYPES[type])} & set(REFERS)
        refers |= {kind for kind, _ in references(PROJECTIONS[type](dict.fromkeys(named, ID)), EVERY)}
    assert {one for some in INCLUDES.get(resource, {}).values() for one in some} == refers
    declared = DECLARED[resource].get("searchInclude", [])
    assert sorted(declared) == sorted(f"{resource}:{name}" for name in INCLUDES.get(resource, ()))
    for one in declared:
        assert read_search(resource, [("_include", one)]).includes <= refers


@pytest.mark.parametrize("resource", sorted(RESOURCES))
def test_every_declared_parameter_is_read(resource: str) -> None:
    """A value of each declared parameter's form is taken by the search that declares it."""
    values = {"date": "2026-03-02", "token": "x", "reference": f"Patient/{ID}"}
    for name, kind in offered(resource):
        read_search(resource, [(name, values[kind])])
    assert [one["name"] for one in DECLARED[resource]["searchParam"]] == [name for name, _ in offered(resource)]
    assert ("status" in dict(offered(resource))) is (resource in STATUS_SYSTEMS)
    dated = [name for name, kind in offered(resource) if kind == "date"]
    assert len(dated) == (2 if resource in DATES else 1)


SOME = (
    "name", "family", "actor", "code", "category", "practitioner", "specialty", "type", "patient", "subject", "status",
    "identifier", "birthdate", "created", "_text", "_has:x:y:z", "_tag", "status:not", "_include:iterate",
)  # fmt: skip
"""Parameters that the standard has for some of the resources."""


@pytest.mark.parametrize("resource", sorted(RESOURCES))
def test_what_is_not_declared_is_refused(resource: str) -> None:
    """Of what the standard has, a search takes only what its resource declares."""
    for name in set(SOME) - {name for name, _ in offered(resource)}:
        with pytest.raises(HttpRefusal) as caught:
            read_search(resource, [(name, "2026")])
        assert (caught.value.status, caught.value.where) == (400, name)


def test_numbers_are_declared_where_resources_show_them() -> None:
    """`identifier` is declared for the resources of the record types that the index finds by it."""
    assert {RESOURCE[type] for type, found in fhir_tokens.FIELDS.items() if "identifier" in found} == NUMBERED


@pytest.mark.parametrize(
    ("resource", "name", "value", "status"),
    [
        ("Appointment", "_include", "Claim:patient", 400),
        ("Appointment", "_include", "Appointment:coverage", 400),
        ("Appointment", "_include", "Appointment:actor:Claim", 400),
        ("Slot", "_include", "Slot:schedule", 400),
        ("Patient", "status", "active", 400),
        ("Patient", "identifier", "http://clinic.example.org/mrn|", 400),
        ("Appointment", "_lastUpdated", "ne2026-03-02", 400),
        ("Appointment", "_format", "application/fhir+xml", 406),
        ("Appointment", "_summary", "text", 400),
        ("Appointment", "_elements", "participant.actor", 400),
        ("Appointment", "_total", "maybe", 400),
        ("Appointment", "_sort", "status", 400),
        ("Patient", "_sort", "-_lastUpdated,name", 400),
        ("Location", "_sort", "-birthdate", 400),
        ("Appointment", "_revinclude", "Provenance:agent", 400),
        ("Appointment", "subject", "zzz9", 400),
        ("Practitioner", "patient", "zzz9", 400),
        ("Slot", "identifier", "zzz9", 400),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_place(resource: str, name: str, value: str, status: int) -> None:
    """No parameter is passed over in silence: the refusal names it."""
    with pytest.raises(HttpRefusal) as caught:
        read_search(resource, [(name, value)])
    assert (caught.value.status, caught.value.where) == (status, name)
    assert value not in str(caught.value)


def test_a_lenient_client_is_told_what_was_left_out() -> None:
    """With handling=lenient unknown parameters are named instead; known ones must still have their form."""
    pairs = [("_sort", "name"), ("_contained", "both"), ("status", "booked")]
    asked = read_search("Appointment", pairs, lenient=True)
    assert (asked.ignored, asked.statuses, asked.sort) == (("_sort", "_contained"), {"booked"}, ())
    with pytest.raises(HttpRefusal):
        read_search("Appointment", [("_count", "many")], lenient=True)


@pytest.mark.parametrize("value", ["json", "application/fhir+json", "application/fhir json", "text/json;charset=utf-8"])
def test_a_plus_that_arrives_as_a_space_is_understood(value: str) -> None:
    """`_format=application/fhir+json` typed at a shell is a space on the wire, as is the plus of an offset."""
    assert read_search("Patient", [("_format", value)]).count
    assert parse_range("ge2026-03-02T09:30:00 02:00", "date") == parse_range("ge2026-03-02T09:30:00+02:00", "date")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-03-02T09:30-05:00", 60), ("2026-03-02T09:30+05:00", 60), ("2026-03-02T09:30Z", 60),
        ("2026-03-02T09:30:00-05:00", 1), ("2026-03-02T09:30:00Z", 1), ("2026-03-02T09:30", 60),
    ],
)  # fmt: skip
def test_a_minute_lasts_a_minute_in_every_zone(text: str, seconds: int) -> None:
    """How long a moment lasts is told by its digits, not by the sign of its offset."""
    found: Any = parse_range(text, "date")
    assert (found.end - found.start) / 1_000_000 == seconds
