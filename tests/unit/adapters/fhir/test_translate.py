"""Resources to patches: what they mean, what they leave alone, references of every form, and the public examples."""

from __future__ import annotations

import json
import tomllib
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway import model
from gateway.errors import InvalidContent
from gateway_fhir.records import TYPES
from gateway_fhir.simulator_clinic import resources
from tests.unit.adapters.fhir.server import CLINIC, EXAMPLES, normalize, told, values

WITH = normalize()
KNOWN = tomllib.loads((Path(__file__).parent / "examples.toml").read_text("utf-8"))["none"]


def body(type: str, **elements: Any) -> bytes:
    meta = {"lastUpdated": "2026-05-01T10:00:00Z"}
    return msgspec.json.encode({"resourceType": type, "id": "x1", "meta": meta, **elements})


def only(type: str, **elements: Any):
    (patch,) = WITH(body(type, **elements), b"").patches
    return patch


def usd(amount: float) -> dict[str, Any]:
    return {"value": amount, "currency": "USD"}


def coded(code: str, system: str = "urn:x") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def test_the_public_examples_normalize() -> None:
    """At least nine of ten R4 examples of our types make valid records; each other one stands in a table with why."""
    if not EXAMPLES.is_dir():
        pytest.skip("the public R4 examples are not on this machine (GATEWAY_CORPORA names their folder)")
    none, total = set(), 0
    for path in sorted(EXAMPLES.rglob("*.json")):
        raw = path.read_bytes()
        if json.loads(raw).get("resourceType") not in TYPES:
            continue
        total += 1
        kept = [patch for patch in WITH(raw, b"").patches if patch.operation != "remove"]
        for patch in kept:
            model.fold(patch.type, None, values(patch.fields))
        if not kept:
            none.add(path.stem)
    assert none == set(KNOWN)
    assert total > 100
    assert len(none) <= total / 10


def test_every_resource_of_the_synthetic_clinic_makes_valid_records() -> None:
    """Patches fold into canonical records, and the same bytes always give the same patches."""
    made = set()
    for row in resources(CLINIC):
        raw = msgspec.json.encode(row)
        first, again = WITH(raw, b""), WITH(raw, b"")
        assert first == again
        for patch in first.patches:
            if patch.operation == "upsert":
                model.fold(patch.type, None, values(patch.fields))
                made.add(patch.type)
    assert made >= {"Patient", "Practitioner", "Location", "Organization", "Payer", "Appointment", "Coverage", "Claim"}
    assert "ClaimPayment" in made


def test_an_element_that_is_gone_is_deleted_and_a_subset_deletes_nothing() -> None:
    """A whole resource speaks of every mapped field; one tagged SUBSETTED only of what it holds."""
    name = [{"family": "Roe"}]
    whole = only("Patient", name=name)
    assert whole.fields["birth_date"] is None
    assert whole.fields["contacts"] is None
    subset = only("Patient", name=name, meta={"tag": [{"code": "SUBSETTED"}]})
    assert set(subset.fields) == {"name"}


def test_a_related_person_never_clears_a_patient() -> None:
    """A next of kin fills the emergency contact and leaves the rest; others make no record."""
    patient = {"reference": "Patient/7"}
    patch = only("RelatedPerson", patient=patient, relationship=[coded("N")], name=[{"text": "Ann Roe"}])
    assert (patch.type, patch.native_id, patch.fields) == ("Patient", "7", {"emergency_name": "Ann Roe"})
    other = WITH(body("RelatedPerson", patient=patient, relationship=[coded("E")]), b"")
    assert other.suppressed == "makes-no-record"


def test_a_replaced_patient_is_a_merge() -> None:
    """A link of type replaced-by says into whom the patient was merged."""
    patch = only("Patient", link=[{"other": {"reference": "Patient/9"}, "type": "replaced-by"}])
    assert (patch.operation, patch.into) == ("merge", "9")


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        ("booked", "booked"),
        ("pending", "booked"),
        ("checked-in", "arrived"),
        ("fulfilled", "completed"),
        ("cancelled", "cancelled"),
        ("noshow", "no-show"),
    ],
)
def test_appointment_status(status: str, meant: str) -> None:
    """FHIR's words are ours."""
    patch = only("Appointment", status=status, start="2026-06-01T14:00:00Z")
    assert patch.fields["status"] == meant
    assert patch.fields["start"] == datetime.fromisoformat("2026-06-01T14:00:00+00:00")


def test_a_proposed_appointment_is_no_booking() -> None:
    """What is proposed or on a waiting list takes an earlier booking away."""
    assert only("Appointment", status="waitlist").operation == "remove"


@pytest.mark.parametrize(
    ("reference", "native"),
    [
        ({"reference": "Patient/44"}, "44"),
        ({"reference": "Patient/44/_history/3"}, "44"),
        ({"reference": "https://ehr.example/fhir/Patient/44/_history/3"}, "44"),
        ({"reference": "https://other.example/r4/Patient/44"}, "https://other.example/r4/Patient/44"),
        ({"identifier": {"system": "urn:mrn", "value": "C7"}}, "alias:urn:mrn|C7"),
        ({"reference": "Patient?identifier=urn:mrn%7CC7"}, "alias:urn:mrn|C7"),
        ({"reference": "#p"}, "Coverage-x1#p"),
        ({"reference": "urn:uuid:0b7e"}, "77"),
        ({"display": "Jane Roe"}, None),
    ],
)
def test_references_of_every_form(reference: dict[str, Any], native: str | None) -> None:
    """Relative, versioned, absolute, of another server, by identifier, contained, by urn, and in words only."""
    read = normalize(base_url="https://ehr.example/fhir", stay_current="hooks")
    contained = [{"resourceType": "Patient", "id": "p", "name": [{"family": "Roe"}]}]
    raw = body("Coverage", status="active", beneficiary=reference, contained=contained)
    result = read(raw, b'{"urn:uuid:0b7e":"Patient/77"}')
    patch = next(one for one in result.patches if one.type == "Coverage")
    assert patch.patient == native
    assert next(one for one in result.patches if one.type == "Patient").native_id == "Coverage-x1#p"


def test_a_reference_to_another_type_is_not_taken() -> None:
    """A payer who is the patient (self-pay) makes no reference to a payer."""
    assert only("Coverage", status="active", payor=[{"reference": "Patient/1"}]).fields["payer"] is None


def test_an_unknown_modifier_stops_the_resource() -> None:
    """A modifier extension may turn the meaning into its opposite; a harmless one can be accepted by name."""
    raw = body("Patient", modifierExtension=[{"url": "urn:not", "valueBoolean": True}])
    with pytest.raises(InvalidContent) as refused:
        WITH(raw, b"")
    assert (refused.value.reason, refused.value.where) == ("unknown-modifier", "Patient.modifierExtension")
    assert normalize(accepted_modifiers=["urn:not"])(raw, b"").patches


def test_extensions_and_unread_elements_are_residue() -> None:
    """What no rule reads is told by its name, an extension by the end of its address."""
    result = WITH(body("Patient", extension=[{"url": "http://x/us-core-race"}], photo=[{"title": "x"}]), b"")
    assert set(result.residue) == {"extension[us-core-race]", "photo"}


def test_a_deletion_removes_what_the_resource_made() -> None:
    """Every record type of the resource goes, under its own native id."""
    result = WITH(b"Slot/5", b"deleted Slot/5")
    assert {(one.type, one.native_id, one.operation) for one in result.patches} == {
        ("Slot", "5", "remove"),
        ("Unavailability", "5", "remove"),
    }
    (gone,) = WITH(b"", b"deleted ExplanationOfBenefit/3").patches[1:]
    assert (gone.type, gone.native_id) == ("ClaimPayment", "ExplanationOfBenefit/3")


def test_a_wrong_type_is_told_by_place() -> None:
    """An element of the wrong JSON type is refused with its path and without its value."""
    with pytest.raises(InvalidContent) as refused:
        WITH(body("Patient", birthDate={"secret": "Roe"}), b"")
    assert refused.value.where == "birthDate"
    assert "Roe" not in str(refused.value)


def test_resources_that_are_not_read_are_suppressed() -> None:
    """An Observation is stored and settled with a reason."""
    assert WITH(body("Observation"), b"").suppressed == "unsupported-resource"


def test_strict_mode_refuses_what_fhir_refuses() -> None:
    """With strict set, a missing required element sends the resource to quarantine."""
    with pytest.raises(InvalidContent) as refused:
        normalize(strict=True)(body("Coverage", status="active"), b"")
    assert refused.value.reason == "not-valid-fhir"


def test_an_eob_of_a_claim_response_is_the_same_payment() -> None:
    """An adjudication sent twice, as ClaimResponse and as ExplanationOfBenefit, is one record."""
    total = [{"category": coded("submitted"), "amount": usd(100)}, {"category": coded("benefit"), "amount": usd(80)}]
    shared = {"status": "active", "use": "claim", "outcome": "complete", "total": total}
    first = only("ClaimResponse", **shared)
    second = only("ExplanationOfBenefit", claimResponse={"reference": "ClaimResponse/x1"}, **shared)
    assert first.native_id == second.native_id == "ClaimResponse/x1"
    assert told(first)["paid"] == Decimal("80.00")


def test_dates_and_times_keep_their_precision() -> None:
    """A date alone is no time: it fills the day and leaves the moment empty."""
    patch = only("Encounter", status="finished", period={"start": "2026-06-01", "end": "2026-06-01T15:00:00Z"})
    assert patch.fields["service_date"] == date(2026, 6, 1)
    assert patch.fields["start"] is None
    assert patch.fields["end"].hour == 10
