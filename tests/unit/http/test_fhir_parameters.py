"""Values of search parameters: what narrows, what is of another server or system, and what has no value."""

from __future__ import annotations

from uuid import UUID

import pytest

from gateway.http.fhir_parameters import IDS
from gateway.http.fhir_search import read_search
from gateway.http.refusal import HttpRefusal

BASE = "https://gateway.example.org/fhir"
ID, OTHER = UUID(int=7), UUID(int=8)
BOOKED = "http://hl7.org/fhir/appointmentstatus"
ABSENT = {"resourceType": "Appointment", "status": "noshow", "identifier": [{"value": "N1"}, {"value": "a,b|c"}]}


@pytest.mark.parametrize("text", [str(ID), f"Patient/{ID}", f"{BASE}/Patient/{ID}"])
def test_a_patient_is_named_in_three_ways(text: str) -> None:
    """An id, a relative reference and an address of this server lead to the same patient, twice as well as once."""
    asked = read_search("Encounter", [("patient", text), ("subject", f"Patient/{ID}")], base=BASE)
    assert asked.patient == ID.bytes


@pytest.mark.parametrize(
    "texts",
    [
        [f"https://other.example.org/fhir/Patient/{ID}"], [f"Practitioner/{ID}"], [f"Patient/{ID}/_history/1"],
        [f"Patient/{ID},Patient/{OTHER}"], [f"{ID},{OTHER}"], [str(ID), str(OTHER)], ["77-1"], ["Patient/"],
    ],
)  # fmt: skip
def test_another_reference_is_not_taken_for_a_patient_of_ours(texts: list[str]) -> None:
    """Other servers, other resources, versions and several patients are refused: none is answered for another."""
    with pytest.raises(HttpRefusal) as caught:
        read_search("Encounter", [("subject", text) for text in texts], base=BASE)
    assert (caught.value.status, caught.value.where) == (400, "subject")


@pytest.mark.parametrize(
    ("values", "matches"),
    [
        (["noshow"], True), (["booked,noshow"], True), (["booked", "noshow"], False),
        (["noshow,booked", "noshow"], True), ([f"{BOOKED}|noshow"], True), (["|noshow"], True),
        (["http://other.example.org|noshow"], False),
        ([f"http://other.example.org|noshow,{BOOKED}|noshow"], True), (["arrived"], False),
    ],
)  # fmt: skip
def test_states_are_codes_of_one_system(values: list[str], matches: bool) -> None:
    """A comma is or, a second parameter is and, and a code of another system is none of ours."""
    asked = read_search("Appointment", [("status", value) for value in values])
    assert asked.by_content
    assert asked.matches(ABSENT) is matches


@pytest.mark.parametrize(
    ("values", "matches"),
    [(["N1"], True), (["N1,N2"], True), (["N1", "N2"], False), (["N1", "N2,N1"], True), ([r"a\,b\|c"], True)],
)
def test_identifiers_narrow_when_they_come_again(values: list[str], matches: bool) -> None:
    """Each parameter must find one of its alternatives; a comma or a bar of the value itself is escaped."""
    assert read_search("Appointment", [("identifier", value) for value in values]).matches(ABSENT) is matches


def test_ids_narrow_when_they_come_again() -> None:
    """What is in one list and not in the other is not asked for, and two lists without a common id find nothing."""
    assert read_search("Patient", [("_id", "a,b,c"), ("_id", "c,b")]).ids == ("b", "c")
    assert read_search("Patient", [("_id", "a"), ("_id", "b")]).ids == ("",)
    many = [str(UUID(int=number)) for number in range(IDS)]
    assert read_search("Patient", [("_id", ",".join(many))]).ids == tuple(many)


@pytest.mark.parametrize("name", ["_id", "status", "identifier", "patient", "date", "_count", "_include"])
def test_a_parameter_without_a_value_is_refused(name: str) -> None:
    """An empty variable of a client's program is no search for everything, nor for nothing."""
    for value in ("", ",") if name in {"_id", "status", "identifier"} else ("",):
        with pytest.raises(HttpRefusal) as caught:
            read_search("Appointment", [(name, value)])
        assert (caught.value.status, caught.value.where) == (400, name)


@pytest.mark.parametrize(("name", "value"), [("_count", "5"), ("_sort", "date"), ("_total", "none")])
def test_what_would_be_overruled_is_taken_once(name: str, value: str) -> None:
    """Of two orders or counts one would be passed over in silence."""
    assert read_search("Appointment", [(name, value)])
    with pytest.raises(HttpRefusal, match="once"):
        read_search("Appointment", [(name, value), (name, value)])


def test_a_name_of_no_form_is_not_repeated() -> None:
    """A parameter of any length is refused without its text."""
    with pytest.raises(HttpRefusal) as caught:
        read_search("Appointment", [("x<y", "v" * 5000)])
    assert caught.value.where == "?"
