"""Authorizations: by Da Vinci's review actions, by outcome and number, and a request that was answered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.adapters.fhir.test_translate import WITH, body, coded, told

PAS = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/"


def review(code: str) -> dict[str, Any]:
    action = {"url": f"{PAS}extension-reviewActionCode", "valueCodeableConcept": coded(code)}
    number = {"url": "number", "valueString": "AUTH-77"}
    reason = {"url": "reasonCode", "valueCodeableConcept": coded("0P")}
    return {"url": f"{PAS}extension-reviewAction", "extension": [action, number, reason]}


def answer(*codes: str, **elements: Any):
    item = [
        {"itemSequence": 1, "adjudication": [{"category": coded("submitted"), "extension": [review(code)]}]}
        for code in codes
    ]
    shared = {"status": "active", "use": "preauthorization", "patient": {"reference": "Patient/1"}}
    return WITH(body("ClaimResponse", **shared, item=item, **elements), b"").patches


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        (["A1"], "approved"),
        (["A2"], "modified"),
        (["A3"], "denied"),
        (["A4"], "pended"),
        (["A6"], "modified"),
        (["C"], "cancelled"),
        (["A1", "A3"], "modified"),
        (["A1", "A4"], "pended"),
    ],
)
def test_review_actions_decide(codes: list[str], status: str) -> None:
    """X12 306 says what was decided; some approved and some denied is a modification."""
    (patch,) = answer(*codes, outcome="complete")
    fields = told(patch)
    assert (fields["status"], fields["number"], fields["reason"]) == (status, "AUTH-77", "0P")


def test_outcome_and_number_decide_without_review_actions() -> None:
    """A complete answer with a number approves, a queued one is pended, one without a number approves nothing."""
    period = {"start": "2026-06-01", "end": "2026-08-31"}
    (given,) = answer(outcome="complete", preAuthRef="18SS", preAuthPeriod=period)
    assert told(given)["status"] == "approved"
    assert str(told(given)["ends_on"]) == "2026-08-31"
    assert told(answer(outcome="queued")[0])["status"] == "pended"
    assert told(answer(outcome="complete")[0])["status"] == "denied"


def test_an_answer_takes_the_place_of_its_request() -> None:
    """The record that a preauthorization Claim made goes when the answer names the claim."""
    asked = WITH(body("Claim", status="active", use="preauthorization", patient={"reference": "Patient/1"}), b"")
    assert (asked.patches[0].type, told(asked.patches[0])["status"]) == ("Authorization", "requested")
    own, gone = answer("A1", outcome="complete", request={"reference": "Claim/x1"})
    assert (own.native_id, own.operation) == ("ClaimResponse/x1", "upsert")
    assert (gone.native_id, gone.operation) == (asked.patches[0].native_id, "remove")
