"""What patients answer becomes consents and work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import msgspec
import pytest

from gateway.model import fold
from gateway.model.communication import Communication
from gateway.model.exchange import Snapshot
from gateway.model.patient import ContactPoint, Patient
from gateway_replies.config import RepliesConfig
from gateway_replies.reactor import Replies

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)
NUMBER = "+13125550147"
MINUTE = timedelta(minutes=1)
CONFIG = RepliesConfig()


def shown(record: Any, id: str) -> Snapshot:
    return Snapshot(
        type=type(record).__name__, record_id=id, source="s", version=1, removed=False, patient=None,
        at="2026-07-15T12:00:00Z", observed_at="2026-07-15T12:00:00Z", record=record,
    )  # fmt: skip


def patient(id: str = "p1", **fields: Any) -> Snapshot:
    contact = ContactPoint(system="phone", value="(312) 555-0147", use="mobile", e164=NUMBER)
    return shown(Patient(contacts=(contact,), **fields), id)


def asked(id: str = "m1", at: datetime = NOW, patient: str = "p1", about: str = "a1", **fields: Any) -> Snapshot:
    held = {"status": "sent", "channel": "sms", **fields}
    return shown(
        Communication(direction="outbound", address=NUMBER, patient=patient, about=about, sent_at=at, **held), id
    )


def said(answer: Any, id: str = "m2", at: datetime = NOW + MINUTE, **fields: Any) -> Snapshot:
    held = {"channel": "sms", "address": NUMBER, **fields}
    return shown(Communication(direction="inbound", answer=answer, received_at=at, **held), id)


def derived(*members: Snapshot) -> dict[str, list[dict[str, Any]]]:
    """What follows by type, the same in any order; every member is in one group with the others."""
    groups = [set(Replies().groups(one, CONFIG)) for one in members]
    (key,) = set.intersection(*groups) - {"patient:p1"} or {"patient:p1"}
    found = Replies().derive(key, members, CONFIG, NOW)
    for order in list(permutations(members))[1:6]:
        assert Replies().derive(key, order, CONFIG, NOW) == found
    by_type: dict[str, list[dict[str, Any]]] = {"Consent": [], "Task": []}
    for one in found.records:
        fold(one.type, None, msgspec.json.decode(msgspec.json.encode(one.fields)))
        by_type[one.type].append(dict(one.fields))
    return by_type


def test_a_stop_is_a_withdrawal_of_everyone_with_the_number() -> None:
    """Whoever shares the number gets no more texts; the answer itself is the evidence."""
    consents = derived(patient(), patient("p2"), said("stop"))["Consent"]
    assert [(one["patient"], one["status"], one["channel"]) for one in consents] == [
        ("p1", "revoked", "sms"),
        ("p2", "revoked", "sms"),
    ]
    assert consents[0]["revoked_at"] == NOW + MINUTE
    assert consents[0]["evidence"] == "Communication m2"
    assert "purpose" not in consents[0]


def test_the_last_word_counts() -> None:
    """START after STOP lifts it, whatever order they came to be known in."""
    start = said("start", "m3", NOW + 2 * MINUTE)
    (consent,) = derived(patient(), said("stop"), start)["Consent"]
    assert (consent["status"], consent["granted_at"]) == ("granted", NOW + 2 * MINUTE)


def test_a_block_at_the_carrier_is_a_stop() -> None:
    """A message refused because the patient opted out elsewhere tells as much as the word."""
    blocked = asked(status="failed", failure="opted-out")
    (consent,) = derived(patient(), blocked)["Consent"]
    assert consent["status"] == "revoked"


@pytest.mark.parametrize("answer", ["confirm", "cancel", "reschedule"])
def test_an_answer_is_about_the_last_visit_asked_of(answer: str) -> None:
    """Of two reminders the later one before the answer is meant, and its patient."""
    first, second, later = asked(), asked("m3", NOW + MINUTE / 2, "p2", "a2"), asked("m4", NOW + 9 * MINUTE, "p1", "a3")
    (task,) = derived(patient(), patient("p2"), first, second, later, said(answer))["Task"]
    assert (task["kind"], task["about"], task["patient"], task["role"]) == (f"reply-{answer}", "a2", "p2", "front-desk")


def test_a_change_of_mind_replaces_the_first_answer() -> None:
    """Two answers to one reminder are one piece of work: the last."""
    tasks = derived(patient(), asked(), said("confirm"), said("cancel", "m3", NOW + 2 * MINUTE))["Task"]
    assert [task["kind"] for task in tasks] == ["reply-cancel"]


def test_what_fits_no_question_is_read_by_a_person() -> None:
    """Free text, and an answer to nothing that was asked lately, become a task to read it."""
    for members in ((said("other"),), (said("confirm"),), (asked(at=NOW - timedelta(days=8)), said("confirm"))):
        (task,) = derived(patient(), *members)["Task"]
        assert (task["kind"], task["about"], task["patient"]) == ("reply-other", "m2", "p1")
    assert derived(patient(), said("help")) == {"Consent": [], "Task": []}


def test_a_link_names_its_patient_itself() -> None:
    """An unsubscribe link carries no address; it concerns its patient and the channel alone."""
    link = said("stop", channel="email", address=None, patient="p1")
    (consent,) = derived(patient(), link)["Consent"]
    assert (consent["patient"], consent["channel"], consent["status"]) == ("p1", "email", "revoked")


def test_a_groups_key_tells_no_number() -> None:
    """Neither digits nor address stand in the key of a group."""
    keys = Replies().groups(patient(), CONFIG)
    assert len(keys) == 3
    assert not any("5550147" in key for key in keys)
