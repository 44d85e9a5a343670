"""Notifications: who may send, what is stored before the answer, and numbers that are missing."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from gateway.model.exchange import HookRequest, HookResponse
from gateway.testing.recording_intake import RecordingIntake
from gateway_fhir.transport_hook import Notifications, receiver
from tests.unit.adapters.fhir.server import config

SECRET = "a-shared-secret"


def send(intake: RecordingIntake, body: Any = b"", *, method: str = "POST", path: str = "", secret: str = SECRET):
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    headers = {"authorization": f"Bearer {secret}"}
    request = HookRequest(method=method, path=path, query="", headers=headers, body=raw, url="https://us/hooks/ehr")
    answer: HookResponse = asyncio.run(Notifications(SECRET).receive(request, intake))
    return answer.status


def event(type: str, number: int, *resources: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": "subscription", "valueReference": {"reference": "Subscription/1"}},
        {"name": "type", "valueCode": type},
        {"name": "eventsSinceSubscriptionStart", "valueString": str(number)},
    ]
    status = {"resourceType": "Parameters", "parameter": parameters}
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": one} for one in (status, *resources)]}


PATIENT = {"resourceType": "Patient", "id": "7", "meta": {"lastUpdated": "2026-05-01T10:00:00Z"}}


def test_only_the_holder_of_the_secret_is_heard() -> None:
    """Another secret gets 401 and nothing is stored; without a configured secret there is no receiver at all."""
    intake = RecordingIntake()
    assert send(intake, PATIENT, secret="guess") == 401
    assert intake.items == []
    assert receiver("ehr", config()) is None


def test_a_resource_is_stored_before_the_answer() -> None:
    """A plain rest-hook with payload, by POST or PUT, and an empty one."""
    intake = RecordingIntake()
    assert send(intake, PATIENT, method="PUT", path="Patient/7") == 200
    assert [one.kind for one in intake.items] == ["Patient"]
    assert send(intake) == 200
    intake.fail_next = 1
    assert send(intake, {**PATIENT, "active": True}) == 503
    assert len(intake.items) == 1


def test_backport_events_are_stored_and_counted() -> None:
    """Handshake and heartbeat are answered; a missing number is a finding that says how many."""
    intake = RecordingIntake()
    assert send(intake, event("handshake", 0)) == 200
    assert send(intake, event("event-notification", 1, PATIENT)) == 200
    assert send(intake, event("event-notification", 4, {**PATIENT, "active": False})) == 200
    assert len(intake.items) == 2
    (finding,) = intake.findings
    assert finding.reason == "missed-notifications"
    assert finding.what.startswith("2 ")


def test_a_deletion_arrives() -> None:
    """DELETE of a resource's address becomes a deletion."""
    intake = RecordingIntake()
    assert send(intake, method="DELETE", path="Patient/7") == 200
    assert intake.items[0].context == b"deleted Patient/7"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"resourceType":"Patient"}', b"\xff"])
def test_what_cannot_be_read_is_refused(body: bytes) -> None:
    """A body that is no FHIR JSON gets 400 and leaves nothing."""
    intake = RecordingIntake()
    assert send(intake, body) == 400
    assert intake.items == []
