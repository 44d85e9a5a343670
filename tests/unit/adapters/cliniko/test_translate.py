"""Bytes to patches: golden cases, the status rule, deletions, merges, zones, and purity."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import model
from gateway.errors import InvalidConfiguration, InvalidContent
from gateway.mapping import Mapping
from gateway.model.identity import Ref
from gateway_cliniko.records import KINDS
from gateway_cliniko.translate import path
from tests.unit.adapters.cliniko.account import ADAPTER, config, normalize

GOLDEN = Path(__file__).parent / "golden"
LINK = "https://api.au4.cliniko.com/v1/"
WITH = normalize()


def link(target: str) -> dict:
    return {"links": {"self": LINK + target}}


def patch(kind: str, **fields):
    body = {"id": "1390726237298631001", "updated_at": "2026-01-05T09:12:44Z", **fields}
    made = WITH(msgspec.json.encode(body), kind.encode()).patches
    (only,) = [one for one in made if one.type != "Consent"]
    return only


def appointment(**fields):
    booked = {"starts_at": "2026-01-07T22:00:00Z", "ends_at": "2026-01-07T22:30:00Z", "patient": link("patients/44")}
    return patch("individual_appointments", **booked, **fields)


def plain(result) -> dict:
    """A result as JSON values, with references marked; where they may be follows from the mapping."""
    shown = json.loads(msgspec.json.encode(result))
    for patch in shown["patches"]:
        del patch["references"]
    return shown


@pytest.mark.parametrize("case", sorted(path.stem for path in GOLDEN.glob("*.in.json")))
def test_golden(case: str) -> None:
    """What each example means was read and agreed on; a change of the mapping shows here."""
    kind = case.partition("-")[0].removesuffix(".in")
    result = WITH((GOLDEN / f"{case}.json").read_bytes(), kind.encode())
    assert plain(result) == json.loads((GOLDEN / f"{case.removesuffix('.in')}.out.json").read_text())


@pytest.mark.parametrize(
    ("marks", "status"),
    [
        ({}, "booked"),
        ({"patient_arrived": True}, "arrived"),
        ({"did_not_arrive": True}, "no-show"),
        ({"did_not_arrive": True, "patient_arrived": True}, "no-show"),
        ({"cancelled_at": "2026-01-05T09:12:44Z", "did_not_arrive": True, "patient_arrived": True}, "cancelled"),
        ({"cancelled_at": None, "did_not_arrive": False, "patient_arrived": None}, "booked"),
    ],
)
def test_the_first_mark_that_applies_is_the_status(marks: dict, status: str) -> None:
    """Cancelled before no-show before arrived before booked."""
    assert appointment(**marks).fields["status"] == status


@pytest.mark.parametrize("mark", ["deleted_at", "archived_at"])
def test_deleted_and_archived_appointments_are_removed(mark: str) -> None:
    """Either mark removes the appointment, whatever else it says."""
    removed = appointment(**{mark: "2026-01-05T09:12:44Z"}, cancelled_at="2026-01-05T09:12:44Z")
    assert (removed.operation, removed.fields) == ("remove", {})
    assert (removed.patient, removed.source_version) == ("44", "2026-01-05T09:12:44.000000Z")


def test_an_archived_patient_stays_and_is_inactive() -> None:
    """Archiving hides a patient from lists; the record and its history remain."""
    archived = patch("patients", first_name="A", last_name="B", archived_at="2026-01-05T09:12:44Z")
    assert (archived.operation, archived.fields["active"]) == ("upsert", False)


def test_a_merged_patient_points_to_the_other() -> None:
    """merged_with_patient becomes a merge into that patient."""
    merged = patch("patients", first_name="A", last_name="B", merged_with_patient=link("patients/77"))
    assert (merged.operation, merged.into) == ("merge", "77")
    assert merged.fields["merged_into"] == Ref("Patient", "77")
    assert merged.references is None  # so that the reference above is resolved


@pytest.mark.parametrize(
    ("code", "reason"), [(10, "improved"), (31, "illness"), (50, "other"), (60, "work"), (999, "other"), (None, None)]
)
def test_cancel_reasons(code: int | None, reason: str | None) -> None:
    """Each documented code has a word; a new one does not stop the cancellation."""
    cancelled = appointment(cancelled_at="2026-01-05T09:12:44Z", cancellation_reason=code)
    assert cancelled.fields["cancel_reason"] == reason


def test_times_keep_the_instant_and_take_the_clinic_zone() -> None:
    """UTC times are the same instant; the zone is the source's, or the business's own where it is configured."""
    business = link("businesses/31")
    home = appointment(business=business)
    assert home.fields["start"].isoformat() == "2026-01-07T16:00:00-06:00"
    assert home.fields["zone"] == "America/Chicago"
    mapping = Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")
    elsewhere = ADAPTER.normalizer(config(zones={"31": "Australia/Perth"}), mapping)
    body = {"id": "1", "updated_at": "2026-01-05T09:12:44Z", "starts_at": "2026-01-07T22:00:00Z", "business": business}
    (there,) = elsewhere(msgspec.json.encode(body), b"individual_appointments").patches
    assert there.fields["zone"] == "Australia/Perth"
    assert there.fields["start"] == home.fields["start"]


def test_null_deletes_and_absence_changes_nothing() -> None:
    """A JSON null or an empty text is a deletion; a key that is not there leaves the field out."""
    assert patch("patients", emergency_contact=None).fields["emergency_name"] is None
    assert patch("patients", emergency_contact="").fields["emergency_name"] is None
    assert "emergency_name" not in patch("patients").fields


def test_residue_names_what_no_rule_reads() -> None:
    """Fields that hold something and are not mapped are named; empty ones and relationships are not."""
    body = b'{"id":"1","first_name":"A","notes":"n","custom_fields":{"a":[1]},"medicare":"","invoices":{"links":{}}}'
    assert WITH(body, b"patients").residue == ("notes", "custom_fields")


@pytest.mark.parametrize(
    ("kind", "body", "where"),
    [
        ("patients", b'{"id":"1","first_name":["SECRET"]}', "first_name"),
        (
            "patients",
            b'{"id":"1","patient_phone_numbers":[{"number":{"SECRET":1}}]}',
            "patient_phone_numbers[0].number",
        ),
        ("patients", b'{"id":"1","date_of_birth":"SECRET"}', "date_of_birth"),
        ("individual_appointments", b'{"id":"1","starts_at":"SECRET"}', "starts_at"),
        ("patients", b'{"id":"1","first_na', "body"),
        ("patients", b'"SECRET"', "body"),
        ("SECRET", b"{}", "kind"),
        ("patients", b'{"first_name":"SECRET"}', "body"),
    ],
)
def test_what_cannot_be_read_is_named_without_its_value(kind: str, body: bytes, where: str) -> None:
    """The error names the field and holds nothing of the item."""
    with pytest.raises(InvalidContent) as caught:
        WITH(body, kind.encode())
    assert "SECRET" not in str(caught.value)
    assert caught.value.where == where


def test_a_mapping_cannot_name_an_unknown_field() -> None:
    """A misspelt path is a configuration mistake, not an empty value."""
    with pytest.raises(InvalidConfiguration):
        path("frist_name")


def made(kind: str, **fields) -> dict:
    """Every record that one item makes, by type and native id."""
    body = {"id": "9", "updated_at": "2026-01-05T09:12:44Z", **fields}
    return {(one.type, one.native_id): one for one in WITH(msgspec.json.encode(body), kind.encode()).patches}


@pytest.mark.parametrize(
    ("chosen", "sms", "email"),
    [
        ("SMS & Email", "granted", "granted"),
        ("SMS", "granted", "revoked"),
        ("Email", "revoked", "granted"),
        ("None", "revoked", "revoked"),
        (None, "unknown", "unknown"),
    ],
)
def test_the_choice_of_reminders_is_a_consent(chosen: str | None, sms: str, email: str) -> None:
    """What the patient chose is allowed, the other way is not; nothing chosen is unknown."""
    found = made("patients", reminder_type=chosen, accepted_sms_marketing=False, accepted_email_marketing=None)
    assert found["Consent", "9#sms-appointment"].fields["status"] == sms
    assert found["Consent", "9#email-appointment"].fields["status"] == email
    assert found["Consent", "9#sms-marketing"].fields["status"] == "revoked"
    assert found["Consent", "9#email-marketing"].fields["status"] == "unknown"
    assert {one.patient for one in found.values()} == {"9"}


def test_a_case_is_an_episode_a_limit_and_a_letter() -> None:
    """The case is a course of treatment; its limit an authorization; the letter it rests on a referral."""
    case = {"name": "Knee", "patient": link("patients/44"), "max_sessions": 12, "expiry_date": "2026-12-31"}
    found = made("patient_cases", **case, referral=True, contact=link("contacts/3"), closed_at=None)
    assert found["EpisodeOfCare", "9"].fields["status"] == "active"
    limit = found["Authorization", "9"].fields
    assert (limit["visits_approved"], limit["status"], str(limit["ends_on"])) == (12, "approved", "2026-12-31")
    assert found["Referral", "9#case"].fields["referrer"] == Ref("Practitioner", "3#contact")
    bare = made("patient_cases", **case | {"max_sessions": None}, referral=False, closed_at="2026-01-05T09:12:44Z")
    assert {key: one.operation for key, one in bare.items()} == {
        ("EpisodeOfCare", "9"): "upsert",
        ("Authorization", "9"): "remove",
        ("Referral", "9#case"): "remove",
    }
    assert bare["EpisodeOfCare", "9"].fields["status"] == "finished"


@pytest.mark.parametrize(("code", "kind"), [(1, "Practitioner"), (2, "Payer"), (0, None), (None, None)])
def test_contacts_are_what_their_type_says(code: int | None, kind: str | None) -> None:
    """A doctor refers, a third party pays, and anyone else makes no record."""
    body = {"id": "9", "updated_at": "2026-01-05T09:12:44Z", "type_code": code, "last_name": "B", "company_name": "C"}
    result = WITH(msgspec.json.encode(body), b"contacts")
    assert [one.type for one in result.patches] == ([kind] if kind else [])
    assert (result.suppressed is None) == (kind is not None)


def test_memos_make_no_record_and_messages_do() -> None:
    """What patients were sent or answered is kept with its time; notes of the staff are not theirs."""
    sent = {"type_code": 1, "direction_code": 2, "content": "Y", "created_at": "2026-01-05T09:12:44Z"}
    found = made("communications", **sent, category_code=8, patient=link("patients/44"), booking=link("bookings/5"))
    fields = found["Communication", "9"].fields
    assert (fields["channel"], fields["direction"], fields["about"]) == ("sms", "inbound", Ref("Appointment", "5"))
    assert "sent_at" not in fields
    assert made("communications", **sent | {"category_code": 12}) == {}


@pytest.mark.parametrize(("code", "status"), [(10, "issued"), (20, "paid"), (30, None), (40, "issued")])
def test_a_closed_invoice_claims_nothing(code: int, status: str | None) -> None:
    """Open and paid are said; closed may be either, so the field is cleared."""
    assert made("invoices", number=7, status=code)["Invoice", "9"].fields["status"] == status


VALUES = st.none() | st.text(max_size=20) | st.booleans() | st.integers(0, 100)
LINKS = st.integers(1, 99).map(lambda number: link(f"patients/{number}"))
KNOWN = sorted({field for kind in KINDS.values() for field in kind.__struct_fields__})


@given(
    kind=st.sampled_from(sorted(KINDS)),
    fields=st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=8), VALUES | LINKS, max_size=12),
    indent=st.integers(0, 2),
)
def test_same_bytes_same_patches(kind: str, fields: dict, indent: int) -> None:
    """Equal bytes give equal patches from two separately compiled mappings; everything else is refused as ours."""
    body = msgspec.json.format(msgspec.json.encode({"id": "5", **fields}), indent=indent)

    def outcome(normalizer):
        try:
            return normalizer(body, kind.encode())
        except InvalidContent as error:
            return (error.reason, error.where)

    assert outcome(WITH) == outcome(AGAIN)


AGAIN = normalize()


def test_patches_make_valid_records() -> None:
    """What the golden cases say folds into records of the canonical model."""
    for case in sorted(GOLDEN.glob("*.in.json")):
        kind = case.name.partition("-")[0].removesuffix(".in.json")
        for one in WITH(case.read_bytes(), kind.encode()).patches:
            fields = {name: value.native_id if isinstance(value, Ref) else value for name, value in one.fields.items()}
            if one.operation == "upsert":
                assert model.fold(one.type, None, fields) is not None
