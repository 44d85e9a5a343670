"""What a delivery asks for at an appointment, and what is left to do where the clinic has it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.model.exchange import Delivered, Delivery, Rejected
from gateway_cliniko.config_writeback import WritebackConfig
from gateway_cliniko.translate_wish import Change, Seen, Wish, judge, wish_of
from tests.unit.adapters.cliniko.account import START

CONFIG = WritebackConfig(
    api_key="env:KEY", contact_email="ops@example.com", note_messages=True,
    acts={
        "visit-arrived": "arrived", "visit-no-show": "did-not-arrive", "reply-cancel": "cancel",
        "reply-confirm": "note",
    },
)  # fmt: skip
SECRET = "Roe"


def delivery(kind: str = "visit-arrived", *, native_id: str | None = "77", type: str = "Task", **more: Any) -> Delivery:
    """A delivery of a task as the sink gets it."""
    body = {"kind": kind, "state": "open", **more.pop("body", {})}
    values: dict[str, Any] = {
        "key": "k", "change": "created", "type": type, "record_id": "r1", "order": "o", "version": 1, "at": "",
        "source": "gateway.decisions", "observed_at": "", "fields": (*body, "about.native_id"),
        "body": json.dumps(body).encode(), "native_id": native_id,
    }  # fmt: skip
    return Delivery(**values | more)


def message(**more: Any) -> Delivery:
    """A delivery of a message that was sent."""
    body = {"channel": "sms", "direction": "outbound", "status": "sent", "sent_at": "2026-06-01T10:00:00Z", **more}
    plain = delivery(type="Communication", fields=(*body, "about.native_id"))
    return replace(plain, body=json.dumps(body).encode())


def seen(**more: Any) -> Seen:
    """A booked appointment tomorrow."""
    values: dict[str, Any] = {
        "starts_at": START + timedelta(days=1), "cancelled": False, "gone": False, "arrived": None, "notes": None,
        "attendee": "88",
    }  # fmt: skip
    return Seen(**values | more)


def wish(one: Delivery) -> Wish:
    """What it wants, which must be something."""
    found = wish_of(one, CONFIG)
    assert isinstance(found, Wish)
    return found


@pytest.mark.parametrize(
    "one",
    [
        delivery("call-payer"),
        delivery("visit-arrived", body={"state": "done"}),
        delivery("visit-arrived", change="removed"),
        delivery(type="Appointment"),
        message(direction="inbound"),
        message(status="queued"),
    ],
    ids=["other-kind", "done", "removed", "other-type", "inbound", "not-sent"],
)
def test_what_asks_for_nothing_writes_and_tells_nothing(one: Delivery) -> None:
    """It is delivered with a receipt that says so, and no field counts as disclosed."""
    assert wish_of(one, CONFIG) == Delivered("nothing to write", told=())


@pytest.mark.parametrize("native_id", [None, "", "77/../88", "77?x", "abc", "77#practitioner", "9" * 21])
def test_only_an_id_of_the_vendor_comes_into_an_address(native_id: str | None) -> None:
    """What is no number, or a number of an attendee, is refused before any request."""
    assert wish_of(delivery(native_id=native_id), CONFIG) == Rejected("not-an-id-of-this-system")


def test_a_view_that_grants_too_little_is_told() -> None:
    """Without kind and state nobody can say what is wanted."""
    assert wish_of(delivery(body={"state": None}), CONFIG) == Rejected("view-lacks-fields")


def test_only_what_is_written_counts_as_told() -> None:
    """Of the fields granted, those of which something is written, and the id."""
    one = delivery("reply-cancel", body={"reason": "illness", "title": SECRET})
    assert wish(one).told == ("kind", "reason", "about.native_id")
    assert wish(delivery("visit-arrived", body={"title": SECRET})).told == ("kind", "about.native_id")


def test_reasons_become_the_vendors_codes() -> None:
    """Known words have codes; every other is Other, with the note that the settings give."""
    for word, code in (("illness", 30), ("work", 60), ("weather", 50), (None, 50)):
        asked = judge(wish(delivery("reply-cancel", body={"reason": word})), seen(), CONFIG, START)
        note = "Cancelled by the patient in answer to the reminder."
        body = {"cancellation_reason": code, "apply_to_repeats": False, "cancellation_note": note}
        assert asked == Change("/v1/individual_appointments/77/cancel", body)


def test_a_place_in_a_class_has_paths_of_its_own() -> None:
    """Its id is that of the attendee."""
    asked = wish(delivery("reply-cancel", native_id="77#attendee"))
    change = judge(asked, seen(), CONFIG, START)
    assert isinstance(change, Change)
    assert change.target == "/v1/attendees/77/cancel"


PAST = START - timedelta(hours=1)


@pytest.mark.parametrize(
    ("kind", "state", "result"),
    [
        ("visit-arrived", {"starts_at": PAST}, Change("/v1/attendees/88", {"arrived": True})),
        ("visit-no-show", {"starts_at": PAST}, Change("/v1/attendees/88", {"arrived": False})),
        ("visit-arrived", {"arrived": True}, "so already"),
        ("visit-no-show", {"arrived": False}, "so already"),
        ("visit-no-show", {}, "not-begun-yet"),
        ("visit-arrived", {"arrived": False}, "clinic-says-otherwise"),
        ("visit-no-show", {"arrived": True, "starts_at": PAST}, "clinic-says-otherwise"),
        ("visit-arrived", {"cancelled": True}, "cancelled-there"),
        ("visit-arrived", {"attendee": None}, "attendee-not-found"),
        ("visit-arrived", {"gone": True}, "appointment-gone"),
        ("reply-cancel", {"cancelled": True}, "so already"),
        ("reply-cancel", {"starts_at": PAST}, "begun-already"),
        ("reply-cancel", {"arrived": True}, "patient-arrived"),
        ("reply-cancel", {"gone": True}, "appointment-gone"),
        ("reply-confirm", {"gone": True}, "appointment-gone"),
    ],
)
def test_the_clinic_knows_better(kind: str, state: dict[str, Any], result: Any) -> None:
    """What is so already is not written again, and what the clinic says otherwise is not overwritten."""
    found = judge(wish(delivery(kind)), seen(**state), CONFIG, START)
    if isinstance(result, Change):
        assert found == result
    elif isinstance(found, Delivered):
        assert found.receipt.endswith(result)
        assert found.told == ("about.native_id",)
    else:
        assert found == Rejected(result)


def test_a_clinic_may_let_the_gateway_overrule() -> None:
    """By a setting, the opposite mark is replaced."""
    overruling = CONFIG.model_copy(update={"overrule": True})
    found = judge(wish(delivery("visit-arrived")), seen(arrived=False), overruling, START)
    assert found == Change("/v1/attendees/88", {"arrived": True})


def test_a_note_keeps_what_stands_there_and_comes_once() -> None:
    """It is a line behind the others; one that is there already is not written again."""
    asked = wish(delivery("reply-confirm"))
    change = judge(asked, seen(notes="Bring shoes\r\nKnee"), CONFIG, START)
    assert isinstance(change, Change)
    written = change.body["notes"]
    assert written == "Bring shoes\nKnee\nConfirmed by the patient in answer to the reminder."
    assert isinstance(judge(asked, seen(notes=written + " "), CONFIG, START), Delivered)


def test_a_message_is_noted_once_however_its_state_changes() -> None:
    """The line names channel and time; the mark of its record tells it from another message."""
    change = judge(wish(message()), seen(), CONFIG, START)
    assert isinstance(change, Change)
    line = change.body["notes"]
    assert line.startswith("Reminder by text message 2026-06-01 10:00 UTC [")
    later = wish(message(status="delivered", sent_at="2026-06-01T10:00:09Z"))
    assert isinstance(judge(later, seen(notes=line), CONFIG, START), Delivered)
    off = CONFIG.model_copy(update={"note_messages": False})
    assert wish_of(message(), off) == Delivered("nothing to write", told=())


def test_begun_is_by_the_clock_given() -> None:
    """An appointment that begins now has begun."""
    at = datetime.fromisoformat("2026-06-02T12:00:00+00:00")
    assert judge(wish(delivery("reply-cancel")), seen(starts_at=at), CONFIG, at) == Rejected("begun-already")
