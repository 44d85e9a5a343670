"""AuditEvents by IHE BALP: valid FHIR, one for each patient, with the agents and entities that the profiles ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.audit import Logged
from gateway.audit.balp import PROFILES, audit_events

ANN = "00000000-0000-8000-8000-00000000000a"
BEN = "00000000-0000-8000-8000-00000000000b"


def events(action: str, patients: dict[str, list[str]], **more: Any) -> list[dict[str, Any]]:
    """The events of one entry, each validated by fhir.resources."""
    model = pytest.importorskip("fhir.resources.R4B.auditevent", reason="the extra [fhir] is not installed").AuditEvent
    one = Logged(
        entry=7, at="2026-03-04T12:00:00.000001Z", actor="client:acme", action=action, purpose="payment",
        outcome=more.pop("outcome", "done"), rows=more.pop("rows", {}),
    )  # fmt: skip
    found = list(audit_events("clinic", one, patients))
    for event in found:
        model.model_validate_json(json.dumps(event))
    return found


@pytest.mark.parametrize("action", ["access", "read", "export", "receive", "normalize", "configure", "token", "client"])
@pytest.mark.parametrize("patients", [{}, {ANN: []}, {ANN: [f"{ANN}/1"], BEN: []}], ids=["none", "one", "two"])
def test_every_action_is_a_valid_event(action: str, patients: dict[str, list[str]]) -> None:
    """Whatever an entry tells, each of its events is a valid AuditEvent with a requestor and a source."""
    found = events(action, patients, rows={"messages": [1, 2]})
    assert len(found) == max(1, len(patients))
    assert all(any(agent["requestor"] for agent in event["agent"]) for event in found)
    assert all(event["source"]["observer"] for event in found)


def test_one_event_for_each_patient() -> None:
    """An entry about two patients gives two events; neither names the other patient or the other's records."""
    first, second = events("access", {ANN: [f"{ANN}/3"], BEN: [f"{BEN}/1"]})
    assert first["meta"]["profile"] == [PROFILES + "PatientRead"]
    assert (ANN in str(first), BEN in str(first)) == (True, False)
    assert (ANN in str(second), BEN in str(second)) == (False, True)
    assert [entity["role"]["code"] for entity in first["entity"]] == ["1", "4"]


@pytest.mark.parametrize(("action", "rows"), [("deliver", {}), ("access", {"pages": [12]})])
def test_what_left_is_a_disclosure(action: str, rows: dict[str, list[int]]) -> None:
    """What a route sent or a client fetched tells source, recipient, patient, data and purpose."""
    (event,) = events(action, {ANN: []}, rows=rows)
    assert event["meta"]["profile"] == [PROFILES + "PrivacyDisclosure.Source"]
    assert (event["type"]["code"], event["subtype"][0]["code"]) == ("110106", "disclose")
    roles = {agent["type"]["coding"][0]["code"]: agent for agent in event["agent"]}
    assert set(roles) == {"110152", "110153"}
    assert all(agent["network"]["address"] and agent["who"] for agent in roles.values())
    assert roles["110152"]["who"]["display"] == "client:acme"
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "HPAYMT"
    assert len(event["entity"]) == 2


def test_a_refusal_is_no_success() -> None:
    """An entry that tells of a refusal has a serious outcome."""
    assert events("token", {}, outcome="refused")[0]["outcome"] == "8"
    assert events("token", {})[0]["outcome"] == "0"
