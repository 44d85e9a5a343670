"""Bytes to patches: what each kind of item means, statuses, times, notices and residue."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from gateway import model
from gateway.errors import InvalidConfiguration, InvalidContent
from gateway.model.identity import Ref
from gateway_spry.records import AUTHORIZATION, Context, appointment_item, authorization_item, case_items
from gateway_spry.simulator import SprySimulator
from gateway_spry.translate import path
from tests.unit.adapters.spry.organisation import CLINIC, normalize

WITH = normalize()
BOOKED = {"appointment_id": 5, "patient_id": 7}


@pytest.fixture(scope="module")
def rows() -> SprySimulator:
    return SprySimulator(CLINIC)


def made(item) -> dict:
    return {one.type: one for one in WITH(item.body, item.context).patches}


def appointment(rows, **fields) -> dict:
    row = msgspec.json.encode(rows.appointments["1"] | fields)
    return made(appointment_item(row, "status", "now")[0])


def test_every_item_of_a_simulated_organisation_makes_valid_records(rows) -> None:
    """No required field lacks, and references name native ids."""
    items = [appointment_item(msgspec.json.encode(row), "status", "x")[0] for row in rows.appointments.values()]
    items += [one for row in rows.cases.values() for one in case_items(msgspec.json.encode(row), "x")]
    items += [authorization_item(msgspec.json.encode(row), "x") for row in rows.authorizations.values()]
    types = set()
    for item in items:
        for one in WITH(item.body, item.context).patches:
            fields = {name: v.native_id if isinstance(v, Ref) else v for name, v in one.fields.items()}
            assert model.fold(one.type, None, fields) is not None
            types.add(one.type)
    assert types == {
        "Appointment", "Patient", "EpisodeOfCare", "Referral", "Practitioner", "Coverage", "Payer", "Authorization",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"check_in_time": None}, "booked"),
        ({"check_in_time": None, "status": "PATIENT_CHECKIN"}, "arrived"),
        ({"check_in_time": "1772460000"}, "arrived"),
        ({"check_in_time": "1772460000", "check_out_time": "1772462000"}, "completed"),
    ],
)
def test_the_status_follows_from_times_and_word(rows, fields: dict, status: str) -> None:
    """Check-out before check-in before the word, and booked when nothing speaks."""
    assert appointment(rows, **fields)["Appointment"].fields["status"] == status


def test_a_status_that_nobody_published_waits(rows) -> None:
    """Guessing could remind someone who cancelled; the error names the place and not the word."""
    with pytest.raises(InvalidContent) as told:
        appointment(rows, status="SOMETHING_NEW", check_in_time=None)
    assert "SOMETHING_NEW" not in str(told.value)


def test_an_appointment_says_when_where_and_who(rows) -> None:
    """Epoch seconds become times; patient, doctor, clinic and case are references; the patient comes along."""
    patches = appointment(rows, date_time="1772460000", end_date_time="1772461800")
    fields = patches["Appointment"].fields
    assert fields["start"] == dt.datetime(2026, 3, 2, 14, 0, tzinfo=dt.UTC)
    assert fields["zone"] == "America/Chicago"
    assert fields["practitioner"] == Ref("Practitioner", rows.appointments["1"]["doctor_id"])
    assert patches["Patient"].fields["name"]["family"] == rows.appointments["1"]["patient"]["last_name"]
    assert patches["Patient"].fields["contacts"][0]["e164"].startswith("+1")


@pytest.mark.parametrize("value", ["soon", "-1", 1.5, "123456789012"])
def test_a_time_that_is_no_number_of_seconds_is_refused(rows, value) -> None:
    """The place is named, the value is not."""
    with pytest.raises(InvalidContent, match="date_time"):
        appointment(rows, date_time=value)


def test_an_authorization_counts_its_visits(rows) -> None:
    """Approved, used and remaining; the period is of days; the payer comes along."""
    patches = made(authorization_item(msgspec.json.encode(rows.authorizations["1"]), "now"))
    fields = patches["Authorization"].fields
    assert (fields["visits_approved"], fields["visits_used"], fields["visits_remaining"]) == (12, 4, 8)
    assert (fields["status"], fields["starts_on"]) == ("approved", dt.date(2026, 2, 1))
    assert fields["diagnoses"] == ["M25.562"]
    assert patches["Payer"].fields["kind"] == "commercial"


@pytest.mark.parametrize(
    ("word", "status"), [("ACTIVE", "approved"), ("INACTIVE", "cancelled"), ("EXPIRED", "expired")]
)
def test_each_published_state_of_an_authorization_is_known(rows, word: str, status: str) -> None:
    """The three published words have a meaning; a fourth waits."""
    row = rows.authorizations["1"] | {"authorization_status": word}
    assert made(authorization_item(msgspec.json.encode(row), "now"))["Authorization"].fields["status"] == status
    with pytest.raises(InvalidContent):
        made(authorization_item(msgspec.json.encode(row | {"authorization_status": "ELSE"}), "now"))


def test_a_case_says_what_is_treated_and_who_sent_the_patient(rows) -> None:
    """Diagnoses, days, the referral and the referring physician; insurance is a message of its own."""
    case, card = case_items(msgspec.json.encode(next(iter(rows.cases.values()))), "now")
    patches = made(case)
    assert patches["EpisodeOfCare"].fields["diagnoses"] == ["M25.562"]
    assert patches["Referral"].fields["referrer"] == Ref("Practitioner", "9")
    assert patches["Practitioner"].fields["npi"] == "1234567893"
    coverage = made(card)["Coverage"].fields
    assert (coverage["priority"], coverage["payer"], coverage["patient"]) == (
        1,
        Ref("Payer", "77"),
        Ref("Patient", "1"),
    )


@pytest.mark.parametrize(
    ("event", "data", "wanted"),
    [
        ("appointment.cancelled", BOOKED | {"status": "X"}, {"status": "cancelled"}),
        ("appointment.updated", BOOKED | {"status": "PATIENT_CHECKIN"}, {"status": "arrived"}),
        ("appointment.updated", BOOKED | {"status": "OTHER"}, None),
        ("appointment.created", BOOKED, None),
        ("patient.updated", {"patient_id": 7, "status": "ARCHIVED"}, {"active": False}),
        ("patient.created", {"patient_id": 7, "status": "ACTIVE"}, {"active": True}),
        ("case.updated", {"spry_case_id": "C"}, None),
    ],
)  # fmt: skip
def test_a_notice_says_only_what_it_holds(event: str, data: dict, wanted: dict | None) -> None:
    """Cancelled, checked in, archived; what names something only is suppressed, for it was read."""
    body = msgspec.json.encode({"event_id": "e", "event_type": event, "data": data})
    result = WITH(body, msgspec.json.encode(Context(event)))
    assert [one.fields for one in result.patches] == ([wanted] if wanted else [])
    assert (result.suppressed is None) == (wanted is not None)


def test_what_no_rule_reads_is_residue(rows) -> None:
    """A field that is new is named, not its value; read ones are not."""
    row = msgspec.json.encode(rows.authorizations["1"] | {"brand_new": "x", "comments": "call them"})
    item = authorization_item(row, "now")
    residue = WITH(item.body, item.context).residue
    assert {"brand_new", "comments"} <= set(residue)
    assert "final_consumed_visit_count" not in residue


def test_the_same_bytes_make_the_same_patches(rows) -> None:
    """Nothing but bytes and context matters."""
    item, _, _ = appointment_item(msgspec.json.encode(rows.appointments["3"]), "status", "now")
    assert WITH(item.body, item.context) == normalize()(item.body, item.context)


@pytest.mark.parametrize("text", ["", "A", "a..b", "a b", "a@time", "a.b.c.d.e"])
def test_a_path_that_is_no_field_is_a_mistake_of_the_mapping(text: str) -> None:
    """It is refused when the mapping is loaded."""
    with pytest.raises(InvalidConfiguration):
        path(text)


@pytest.mark.parametrize(("body", "told"), [(b"[]", AUTHORIZATION), (b"{}", "else"), (b'{"patient":3}', "appointment")])
def test_what_is_no_item_is_refused_without_its_bytes(body: bytes, told: str) -> None:
    """Another shape or an unknown kind goes to quarantine."""
    with pytest.raises(InvalidContent):
        WITH(body, msgspec.json.encode(Context(told)))
    with pytest.raises(InvalidContent):
        WITH(body, b"no context")
