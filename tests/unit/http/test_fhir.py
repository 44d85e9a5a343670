"""Records as FHIR R4: valid whatever a view grants, with nothing in them but what was granted."""

from __future__ import annotations

import importlib
import json
import warnings
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access import View
from gateway.http.fhir import outcome
from gateway.http.fhir_history import audit_event, provenance
from gateway.http.fhir_search import dated
from gateway.model import TYPES, fold
from gateway.model import encode as canonical
from gateway.wire.fhir import PROJECTIONS, RESOURCE, encode, resource
from gateway.wire.fhir_values import CPT, HCPCS
from tests.unit.model.strategies import BY_TYPE, stored

ID = "0b7e1f6a-5d0c-8a3e-9c1d-2f4b6a8c0e12"
AT = "2026-03-01T14:02:11.120034Z"
few = settings(deadline=None, max_examples=20)


def valid(made: dict[str, Any]) -> None:
    """Read it with the standard's own model; raises when it is not valid R4."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(f"fhir.resources.R4B.{made['resourceType'].lower()}")
        getattr(module, made["resourceType"]).model_validate_json(encode(made))


@pytest.mark.parametrize("type", sorted(PROJECTIONS))
@few
@given(data=st.data())
def test_any_record_under_any_view_is_valid_fhir(type: str, data: st.DataObject) -> None:
    """Every record of the type, with any of its fields granted, validates against the R4 model."""
    fields = stored(fold(type, None, data.draw(BY_TYPE[type])))
    granted = data.draw(st.sets(st.sampled_from([one.name for one in msgspec.structs.fields(TYPES[type])])))
    for shown in (fields, {name: value for name, value in fields.items() if name in granted}, {}):
        made = resource(type, ID, 3, AT, "northside", shown)
        assert made["resourceType"] == RESOURCE[type]
        valid(made)


MARK = "Zq7granted"


@pytest.mark.parametrize("type", ["Patient", "Appointment", "ClaimPayment", "Coverage", "Remittance", "Task"])
def test_a_field_not_granted_never_leaves(type: str) -> None:
    """Of a record whose every text is marked, a view of one other field lets no mark into the resource."""
    marked: dict[str, Any] = {
        one.name: MARK for one in msgspec.structs.fields(TYPES[type]) if one.type in (str, str | None)
    }
    needed = {
        "Appointment": {"start": "2026-03-02T09:30:00-06:00", "status": "booked"},
        "ClaimPayment": {"charge": "10.00", "paid": "5.00"},
        "Remittance": {"amount": "5.00"},
        "Task": {"state": "open"},
    }.get(type, {"active": True})
    record = fold(type, None, {**marked, **needed, **({} if type != "Patient" else {"name": {"family": MARK}})})
    view = View("one", {type: [next(iter(needed))]})
    everything = View("all", {type: ["*"]})
    assert MARK.encode() in encode(_seen(everything, type, record))
    assert MARK.encode() not in encode(_seen(view, type, record))


def _seen(view: View, type: str, record: msgspec.Struct) -> dict[str, Any]:
    return resource(type, ID, 1, AT, "northside", json.loads(view.project(type, canonical(record)).body))


def test_an_appointment_says_what_it_is() -> None:
    """Times keep their offset, a confirmed patient is accepted, references point to resources."""
    made = resource(
        "Appointment", ID, 2, AT, "northside",
        {
            "start": "2026-03-02T09:30:00-06:00", "status": "confirmed", "patient": ID, "practitioner": ID,
            "zone": "America/Chicago", "minutes": 45, "authorization": ID,
        },
    )  # fmt: skip
    assert made["status"] == "booked"
    assert made["start"] == "2026-03-02T09:30:00-06:00"
    assert made["participant"][0] == {
        "actor": {"reference": f"Patient/{ID}"}, "required": "required", "status": "accepted"
    }  # fmt: skip
    assert made["supportingInformation"] == [{"reference": f"ClaimResponse/{ID}"}]
    assert made["meta"] == {"versionId": "2", "lastUpdated": AT, "source": "urn:emr-gateway:source:northside"}
    assert resource("Appointment", ID, 1, AT, "n", {})["_status"]["extension"][0]["valueCode"] == "masked"


@pytest.mark.parametrize(
    ("fields", "times", "reason"),
    [
        ({"status": "booked", "start": AT, "end": AT}, {"start", "end"}, False),
        ({"status": "booked", "start": AT, "cancel_reason": "ill"}, {"start", "_end"}, False),
        ({"status": "booked"}, {"_start", "_end"}, False),
        ({}, {"_start", "_end"}, False),
        ({"status": "cancelled", "cancel_reason": "ill"}, set(), True),
        ({"status": "no-show", "start": AT, "end": AT, "cancel_reason": "ill"}, {"start", "end"}, True),
    ],
)
def test_an_appointment_keeps_the_standards_rules(fields: dict[str, Any], times: set[str], reason: bool) -> None:
    """Start and end are both there unless it is cancelled, and only what did not happen has a reason for that."""
    made = resource("Appointment", ID, 1, AT, "northside", fields)
    valid(made)
    assert {"start", "end", "_start", "_end"} & made.keys() == times
    assert ("cancelationReason" in made) is reason


@pytest.mark.parametrize("type", ["Organization", "Payer"])
def test_an_organization_has_a_number_or_a_name(type: str) -> None:
    """One without both says that its name is missing, as the standard wants it."""
    assert "_name" in resource(type, ID, 1, AT, "northside", {})
    assert not {"name", "_name"} & resource(type, ID, 1, AT, "n", {"npi": "1999999984", "payer_id": "1"}).keys()


def test_money_is_a_number_with_its_cents() -> None:
    """An amount is written as it is kept, digit by digit."""
    made = resource("Remittance", ID, 1, AT, "payer", {"amount": "1234567.10", "trace_number": "T1"})
    assert b'"paymentAmount":{"value":1234567.10,"currency":"USD"}' in encode(made)


@pytest.mark.parametrize(
    ("code", "system"),
    [
        ("97110", CPT), ("0503F", CPT), ("59", CPT), ("P3", CPT), ("G0283", HCPCS), ("GP", HCPCS), ("KX", HCPCS),
        ("XE", HCPCS), ("0420", None), ("Initial visit", None), ("97110-GP", None),
    ],
)  # fmt: skip
def test_a_billed_code_names_the_list_that_it_is_from(code: str, system: str | None) -> None:
    """Therapists bill CPT and HCPCS side by side: a code is told with its own list, and a clinic's word with none."""
    line = {"procedure_code": code, "modifiers": [code], "charge": "10.00"}
    for type in ("Claim", "ClaimPayment"):
        (item,) = resource(type, ID, 1, AT, "northside", {"lines": [line]})["item"]
        for told in (item["productOrService"], *item["modifier"]):
            assert told["text"] == code
            assert told.get("coding") == ([{"system": system, "code": code}] if system else None)


@pytest.mark.parametrize("type", ["Claim", "ClaimPayment", "Authorization", "Benefit", "Remittance"])
def test_a_payers_answer_says_when_it_was_made(type: str) -> None:
    """SMART's client refuses these resources without the day, so there is always one; no search takes it for more."""
    made = resource(type, ID, 1, AT, "payer", {})
    assert (made["created"], "_created" in made) == (AT[:10], False)
    valid(made)
    assert dated(made) is None


@pytest.mark.parametrize("type", ["Referral", "PlanOfCare", "Visit"])
def test_a_state_that_nobody_told_is_unknown(type: str) -> None:
    """Where R4's list has a word for it the element is there: clients refuse a resource without it."""
    made = resource(type, ID, 1, AT, "northside", {})
    assert (made["status"], "_status" in made) == ("unknown", False)
    valid(made)


def test_what_no_record_holds_is_not_called_hidden() -> None:
    """Only what a view may keep back is masked; what the gateway never has is unsupported, so nobody asks for it."""
    made = resource("ClaimPayment", ID, 1, AT, "payer", {})
    reasons = [made[name]["extension"][0]["valueCode"] for name in ("insurer", "patient")]
    assert reasons == ["unsupported", "masked"]


def test_history_is_valid_and_names_message_and_mapping() -> None:
    """Provenance names source message, adapter and mapping version; an audit entry names actor and patients."""
    made = provenance(
        "Appointment", ID, 2, recorded=AT, source="hospital", message=17, adapter="hl7/1", mapping="ab" * 32,
        change="removed",
    )  # fmt: skip
    assert made["activity"]["coding"][0]["code"] == "DELETE"
    valid(made)
    assert "17" in json.dumps(made["entity"])
    assert "ab" * 32 in json.dumps(made["entity"])
    event = audit_event(
        3,
        9,
        {"action": "access", "actor": "client:c", "purpose": "payment", "outcome": "x", "at": AT, "patients": [ID]},
    )
    valid(event)
    assert event["entity"][0]["what"] == {"reference": f"Patient/{ID}"}
    valid(outcome("error", "invalid", "Wrong", "Appointment.date"))
