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
from gateway.model import TYPES, fold
from gateway.model import encode as canonical
from gateway.wire.fhir import PROJECTIONS, RESOURCE, encode, resource
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


def test_money_is_a_number_with_its_cents() -> None:
    """An amount is written as it is kept, digit by digit."""
    made = resource("Remittance", ID, 1, AT, "payer", {"amount": "1234567.10", "trace_number": "T1"})
    assert b'"paymentAmount":{"value":1234567.10,"currency":"USD"}' in encode(made)


def test_history_is_valid_and_names_message_and_mapping() -> None:
    """Provenance names source message, adapter and mapping version; an audit entry names actor and patients."""
    made = provenance(
        "Appointment", ID, 2, recorded=AT, source="hospital", message=17, adapter="hl7/1", mapping="ab" * 32
    )
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
