"""Envelopes and their items: error codes under status 200, damaged rows, order keys, saved answers."""

from __future__ import annotations

import msgspec
import pytest

from gateway.errors import LimitExceeded, SourceUnavailable
from gateway.model.exchange import Finding
from gateway_spry.records import (
    appointment_item,
    case_items,
    cut_answer,
    is_answer,
    notice_item,
    opened,
    read_calendar,
    read_list,
    read_notice,
)


def answer(data: object, code: int = 2000) -> bytes:
    return msgspec.json.encode({"code": code, "data": data, "message": "Jane Roe"})


@pytest.mark.parametrize("code", [2001, 2999, 1999, 0])
def test_another_code_is_an_error_whatever_the_http_status(code: int) -> None:
    """Only 2000 is success; the error names the code and nothing of the message."""
    with pytest.raises(SourceUnavailable, match=str(code)) as told:
        opened(answer({"appointment_id": 1}, code))
    assert "Roe" not in str(told.value)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data":{}}', b'{"code":2000,"data":{'])
def test_what_is_no_envelope_is_told_apart(body: bytes) -> None:
    """A cut or foreign body is a decoding error, which the client tries again."""
    with pytest.raises(msgspec.DecodeError):
        opened(body)


def test_pages_and_lists_come_out_of_their_envelopes() -> None:
    """A calendar page tells its rows and pages; a plain list may be empty."""
    page = read_calendar(answer({"total": 1, "pages": 3, "content": [{"appointment_id": 1}]}))
    assert (len(page.content), page.pages) == (1, 3)
    assert read_list(answer([])) == ()


def test_an_appointment_is_ordered_by_its_patient() -> None:
    """Numbers and text are ids alike; the control id holds no patient's id."""
    row = b'{"appointment_id":5,"patient":{"patient_id":77},"spry_case_id":"SPRY_CASE_1"}'
    item, number, case = appointment_item(row, "status", "now")
    assert (item.order_key, number, case, item.body) == ("77", "5", "SPRY_CASE_1", row)
    assert "77" not in item.control_id


def test_a_case_brings_each_insurance_card_as_a_message() -> None:
    """A card keeps its exact bytes, and its context says whose it is."""
    card = b'{"insurance_card_id": 9, "insurance_number":"M1"}'
    items = list(case_items(b'{"spry_case_id":"C","patient_id":7,"insurance_card_list":[' + card + b"]}", "now"))
    assert [one.kind for one in items] == ["case", "insurance_card"]
    assert (items[1].body, items[1].order_key) == (card, "7")
    assert b'"case":"C"' in items[1].context


def test_a_notice_is_named_by_its_event() -> None:
    """The same event sent again has the same control id."""
    body = b'{"event_id":"evt_1","event_type":"patient.updated","data":{"patient_id":"7"}}'
    item = notice_item(read_notice(body), body)
    assert (item.control_id, item.order_key, item.kind) == ("patient.updated:evt_1", "7", "patient.updated")


@pytest.mark.parametrize(
    ("data", "kinds"),
    [
        ({"content": [{"appointment_id": 1}, {"appointment_id": 2}]}, ["appointment", "appointment"]),
        ([{"authorization_id": 1}], ["authorization"]),
        ({"authorization_id": 1, "spry_case_id": "C"}, ["authorization"]),
        ({"spry_case_id": "C", "insurance_card_list": [{"insurance_card_id": 1}]}, ["case", "insurance_card"]),
    ],
)
def test_a_saved_answer_is_cut_by_what_it_holds(data: object, kinds: list[str]) -> None:
    """Calendars, authorizations and cases are told by their fields, and such a file is recognized."""
    body = answer(data)
    assert [one.kind for one in cut_answer([body[:9], body[9:]], "status")] == kinds
    assert is_answer(body)


@pytest.mark.parametrize("body", [b"not json", answer({}), answer([], 2999), answer([{"no": 1}])])
def test_a_file_that_is_no_answer_is_a_finding_with_its_bytes(body: bytes) -> None:
    """Nothing is raised: the file is kept as evidence."""
    (found,) = cut_answer([body], "status")
    assert isinstance(found, Finding)
    assert (found.reason, found.body) == ("unreadable-answer", body)


def test_a_file_without_end_is_refused() -> None:
    """More than 16 MiB is not held."""
    with pytest.raises(LimitExceeded):
        list(cut_answer((b" " * 2**20 for _ in range(17)), "status"))
