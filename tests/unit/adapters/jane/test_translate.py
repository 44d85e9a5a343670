"""Bytes to patches: golden items, the states of an appointment, opt-outs, residue."""

from __future__ import annotations

import msgspec
import pytest

from gateway.errors import InvalidConfiguration, InvalidContent
from gateway.model.identity import Ref
from gateway_jane.records import Context
from gateway_jane.translate import path
from tests.unit.adapters.jane.clinic import normalize

WITH = normalize()
BOOKED = {"id": "a-1", "patient_id": "p-1", "start_at": "2026-01-07T17:00:00Z", "end_at": "2026-01-07T17:45:00Z"}


def made(kind: str, fields: dict, **told) -> dict:
    result = WITH(msgspec.json.encode(fields), msgspec.json.encode(Context(kind, **told)))
    return {one.native_id: one for one in result.patches}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"state": "booked"}, "booked"),
        ({"state": "reserved"}, "booked"),
        ({"state": "booked", "checked_in_at": "2026-01-07T16:55:00Z"}, "arrived"),
        ({"state": "arrived"}, "arrived"),
        ({"state": "no_show", "checked_in_at": "2026-01-07T16:55:00Z"}, "no-show"),
        ({"state": "cancelled", "cancelled_at": "2026-01-05T15:20:00Z"}, "cancelled"),
    ],
)
def test_each_documented_state_has_a_meaning(fields: dict, status: str) -> None:
    """A check-in before the visit is an arrival, unless the visit was cancelled or missed."""
    assert made("appointments", BOOKED | fields)["a-1"].fields["status"] == status


def test_an_archived_appointment_is_removed_and_an_unknown_state_waits() -> None:
    """The word of an unknown state is not repeated."""
    assert made("appointments", BOOKED | {"state": "archived"})["a-1"].operation == "remove"
    with pytest.raises(InvalidContent) as told:
        made("appointments", BOOKED | {"state": "waitlisted"})
    assert "waitlisted" not in str(told.value)


def test_an_appointment_with_everything() -> None:
    """The vendor's documented example, with the treatment's name and the company's zone."""
    fields = BOOKED | {
        "state": "cancelled", "staff_member_id": "s-1", "location_id": "l-1", "treatment_id": "t-1",
        "cancelled_at": "2026-01-05T15:20:00Z", "cancelled_reason": "Other", "booked_at": "2026-01-02T18:04:11Z",
        "no_show_at": None, "arrived_at": None, "checked_in_at": None, "archived_at": None, "first_visit": False,
    }  # fmt: skip
    found = made("appointments", fields, type="Massage", zone="America/Vancouver")["a-1"]
    assert found.patient == "p-1"
    assert {name: str(value) for name, value in found.fields.items() if not isinstance(value, Ref)} == {
        "status": "cancelled", "start": "2026-01-07 11:00:00-06:00", "end": "2026-01-07 11:45:00-06:00",
        "zone": "America/Vancouver", "type": "Massage", "cancel_reason": "other",
        "cancelled_at": "2026-01-05 09:20:00-06:00", "created_at": "2026-01-02 12:04:11-06:00",
    }  # fmt: skip
    assert found.fields["practitioner"] == Ref("Practitioner", "s-1")


@pytest.mark.parametrize(
    ("fields", "reach", "marketing"),
    [
        ({"do_not_email": True, "send_marketing_emails": True}, "revoked", "revoked"),
        ({"do_not_email": False, "send_marketing_emails": True}, "unknown", "granted"),
        ({"do_not_email": False, "send_marketing_emails": False}, "unknown", "revoked"),
        ({}, "unknown", "unknown"),
    ],
)
def test_an_opt_out_is_honoured(fields: dict, reach: str, marketing: str) -> None:
    """do_not_email stands above everything; who never chose is unknown."""
    found = made("patients", {"id": "p-1", **fields})
    assert found["p-1#email"].fields["status"] == reach
    assert found["p-1#email-marketing"].fields["status"] == marketing


def test_the_primary_number_comes_first() -> None:
    """Whatever its place in the list; the e-mail address comes last."""
    numbers = [{"type": "home", "number": "202-555-0100"}, {"type": "mobile", "number": "1", "is_primary": True}]
    found = made("patients", {"id": "p-1", "phone_numbers": numbers, "email": "a@example.com"})["p-1"]
    assert [one["value"] for one in found.fields["contacts"]] == ["1", "202-555-0100", "a@example.com"]


def test_what_no_rule_reads_is_residue() -> None:
    """A new field is named, not its value."""
    body = msgspec.json.encode(BOOKED | {"state": "booked", "brand_new": "x", "also_new": None})
    assert WITH(body, msgspec.json.encode(Context("appointments"))).residue == ("brand_new",)


def test_the_same_bytes_make_the_same_patches() -> None:
    """Nothing but bytes and context matters."""
    body, told = msgspec.json.encode(BOOKED | {"state": "booked"}), msgspec.json.encode(Context("appointments"))
    assert WITH(body, told) == normalize()(body, told)


@pytest.mark.parametrize("told", [b"", b"{}", b'{"kind":"invoices"}'])
def test_a_message_of_no_known_kind_is_refused(told: bytes) -> None:
    """It goes to quarantine."""
    with pytest.raises(InvalidContent):
        WITH(b"{}", told)


@pytest.mark.parametrize("text", ["", "Start", "a b", "id#", "id#UP"])
def test_a_path_that_is_no_field_is_a_mistake_of_the_mapping(text: str) -> None:
    """It is refused when the mapping is loaded."""
    with pytest.raises(InvalidConfiguration):
        path(text)
