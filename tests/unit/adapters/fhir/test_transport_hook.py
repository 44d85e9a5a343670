"""Notifications: who may send, what is stored before the answer, and numbers that are missing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from gateway.model.exchange import HookRequest, HookResponse
from gateway.testing.recording_intake import RecordingIntake
from gateway_fhir import transport_hook
from gateway_fhir.transport_hook import Notifications, receiver
from tests.unit.adapters.fhir.server import config

SECRET = "a-shared-secret"


def send(intake: RecordingIntake, body: Any = b"", **more: str) -> int:
    return told(intake, body, **more).status


def told(
    intake: RecordingIntake, body: Any = b"", *, method: str = "POST", path: str = "", secret: str = SECRET
) -> HookResponse:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    headers = {"authorization": f"Bearer {secret}"}
    request = HookRequest(method=method, path=path, query="", headers=headers, body=raw, url="https://us/hooks/ehr")
    return asyncio.run(Notifications(SECRET).receive(request, intake))


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


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        (b"", True),
        (event("event-notification", 2), True),
        (event("event-notification", 2, PATIENT), False),
        (event("event-notification", 4, PATIENT), True),
        (event("heartbeat", 1), False),
        (PATIENT, False),
    ],
    ids=["no payload", "ids only", "whole", "after a gap", "heartbeat", "resource"],
)
def test_what_a_notification_does_not_bring_is_asked_for(body: Any, asks: bool) -> None:
    """Nothing, only ids, or a gap before it: the server is asked soon."""
    intake = RecordingIntake()
    told(intake, event("event-notification", 1, PATIENT))
    assert told(intake, body).changed is asks


def test_a_server_that_names_subscriptions_without_end_fills_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of the newest subscriptions are kept; a name beyond any length is refused."""
    monkeypatch.setattr(transport_hook, "_MOST_NUMBERS", 3)
    intake, text = RecordingIntake(), json.dumps(event("handshake", 0))
    assert "Subscription/1" in text
    for number in range(9):
        assert send(intake, json.loads(text.replace("Subscription/1", f"Subscription/{number}"))) == 200
    assert len(json.loads(intake.cursors[transport_hook.STREAM])) == 3
    assert send(intake, json.loads(text.replace("Subscription/1", "Subscription/" + "1" * 5000))) == 400


def batch(*numbers: int) -> dict[str, Any]:
    """One notification of several events, as `max-count` allows."""
    made = event("event-notification", numbers[-1], PATIENT)
    parts = [{"name": "notificationEvent", "part": [{"name": "eventNumber", "valueString": str(n)}]} for n in numbers]
    made["entry"][0]["resource"]["parameter"] += parts
    return made


def test_several_events_in_one_notification_are_no_gap() -> None:
    """What counts is the lowest number of a notification, not its highest."""
    intake = RecordingIntake()
    send(intake, event("handshake", 0))
    send(intake, batch(1, 2, 3))
    assert intake.findings == []
    assert told(intake, batch(6, 7)).changed
    assert [one.what[:1] for one in intake.findings] == ["2"]


def test_a_heartbeat_tells_of_events_that_never_came() -> None:
    """Its number is that of the last event: where ours is lower the server is asked, once; a repeat changes nothing."""
    intake = RecordingIntake()
    send(intake, event("handshake", 0))
    assert told(intake, event("heartbeat", 2)).changed
    assert not told(intake, event("heartbeat", 2)).changed
    assert [one.reason for one in intake.findings] == ["missed-notifications"]
    send(intake, event("handshake", 0))
    assert not told(intake, event("event-notification", 1, PATIENT)).changed
    assert len(intake.findings) == 1


def test_the_first_event_after_the_handshake_may_not_be_missing() -> None:
    """The handshake begins the numbers, so that a lost first notification is seen."""
    intake = RecordingIntake()
    send(intake, event("handshake", 0))
    assert told(intake, event("event-notification", 2, PATIENT)).changed
    assert intake.findings[0].what.startswith("1 ")


@pytest.mark.parametrize("number", ["7", 7], ids=["text", "number"])
def test_a_status_in_the_form_of_r4b_is_read(number: Any) -> None:
    """R4B has a resource of its own where R4 has Parameters: it is no record, and its numbers count the same."""
    intake = RecordingIntake()
    status = {
        "resourceType": "SubscriptionStatus", "type": "handshake", "status": "active",
        "subscription": {"reference": "Subscription/1"}, "eventsSinceSubscriptionStart": number,
    }  # fmt: skip
    assert send(intake, {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}) == 200
    events = [{"eventNumber": "9"}]
    status |= {"type": "event-notification", "eventsSinceSubscriptionStart": "9", "notificationEvent": events}
    body = {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}, {"resource": PATIENT}]}
    assert told(intake, body).changed
    assert [one.kind for one in intake.items] == ["Patient"]
    assert [one.reason for one in intake.findings] == ["missed-notifications"]


def test_a_server_that_says_that_it_stops_is_heard() -> None:
    """The last notification of a subscription that goes into error is kept as a finding."""
    intake = RecordingIntake()
    body = event("event-notification", 1)
    body["entry"][0]["resource"]["parameter"].append({"name": "status", "valueCode": "error"})
    assert told(intake, body).changed
    assert [one.reason for one in intake.findings] == ["subscription-ended"]


def test_an_empty_object_is_no_payload_or_a_deletion() -> None:
    """Some servers write `{}` where there is nothing to say, and name what was deleted in a header."""
    intake = RecordingIntake()
    assert told(intake, b"{}").changed
    secret = {"authorization": f"Bearer {SECRET}", "x-medplum-deleted-resource": "Patient/7"}
    request = HookRequest(method="POST", path="", query="", headers=secret, body=b"{}", url="https://us/hooks/ehr")
    assert asyncio.run(Notifications(SECRET).receive(request, intake)).status == 200
    assert [one.context for one in intake.items] == [b"deleted Patient/7"]


def test_the_oldest_of_a_thousand_subscriptions_is_heard() -> None:
    """One more that is kept pushes out another, and not the one that just told us something."""
    intake = RecordingIntake()
    names = {"Subscription/1": 1} | {f"Subscription/{number}": 1 for number in range(2, 1001)}
    intake.cursors["subscription"] = msgspec.json.encode(names).decode()
    assert send(intake, event("event-notification", 4, PATIENT)) == 200
    kept = msgspec.json.decode(intake.cursors["subscription"])
    assert (kept["Subscription/1"], len(kept)) == (4, 1000)


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
