"""Identifiers are names: who has which, and which references use them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.model.identity import ALIAS
from tests.unit.adapters.fhir.server import normalize

READ = normalize()
MRN = {"system": "urn:mrn", "value": "C7"}


def told(type: str, **elements: Any) -> dict[str, tuple[str, ...] | None]:
    """Names by record type and native id."""
    body = msgspec.json.encode({"resourceType": type, "id": "x1", **elements})
    return {f"{one.type} {one.native_id}": one.aliases for one in READ(body, b"").patches}


def test_a_patient_is_known_by_its_identifiers() -> None:
    """Each once, with its system or without; one that has no value names nobody."""
    assert told("Patient", identifier=[MRN, MRN, {"value": "9"}, {"system": "urn:x"}]) == {
        "Patient x1": ("urn:mrn|C7", "|9")
    }
    assert told("Patient") == {"Patient x1": ()}


@pytest.mark.parametrize(
    ("type", "elements"),
    [
        ("Patient", {"meta": {"tag": [{"code": "SUBSETTED"}]}}),
        ("PractitionerRole", {"identifier": [MRN]}),
        ("Appointment", {"identifier": [MRN], "status": "booked", "start": "2026-06-01T14:00:00Z"}),
    ],
)
def test_who_does_not_tell_is_left_as_it_is(type: str, elements: dict[str, Any]) -> None:
    """A part of a resource, a role that has its person's number, and what nobody refers to by identifier."""
    assert set(told(type, **elements).values()) == {None}


def test_a_contained_resource_takes_no_name() -> None:
    """It is a copy in its holder's hands: with a name of its own it would make the real one's ambiguous."""
    inside = {"resourceType": "Patient", "id": "p", "identifier": [MRN]}
    beneficiary = {"reference": "#p"}
    found = told("Coverage", status="active", beneficiary=beneficiary, contained=[inside])
    assert found == {"Patient Coverage-x1#p": None, "Coverage x1": ()}


def test_what_is_gone_or_merged_is_meant_by_no_name() -> None:
    """A patient merged into another gives its number free, a deleted one too."""
    other = {"type": "replaced-by", "other": {"reference": "Patient/x2"}}
    assert told("Patient", identifier=[MRN], link=[other]) == {"Patient x1": ()}
    assert [one.aliases for one in READ(b"Patient/5", b"deleted Patient/5").patches] == [()]


def test_an_explanation_that_names_its_answer_by_identifier_keeps_its_own_id() -> None:
    """An identifier is no id of a record: the payment would be nobody's."""
    body = msgspec.json.encode(
        {
            "resourceType": "ExplanationOfBenefit", "id": "e1", "status": "active", "use": "claim",
            "outcome": "complete",
            "total": [{"category": {"coding": [{"code": "submitted"}]}, "amount": {"value": 5, "currency": "USD"}}],
            "patient": {"identifier": MRN}, "claimResponse": {"type": "ClaimResponse", "identifier": MRN},
            "payment": {"amount": {"value": 5, "currency": "USD"}},
        }
    )  # fmt: skip
    (patch,) = READ(body, b"").patches
    assert (patch.native_id, patch.patient) == ("ExplanationOfBenefit/e1", f"{ALIAS}urn:mrn|C7")
