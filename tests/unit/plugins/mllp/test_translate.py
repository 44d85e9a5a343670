"""Deliveries become messages that conform, and acknowledgements become outcomes."""

from __future__ import annotations

import msgspec
import pytest

pytest.importorskip("hl7apy", reason="the [hl7] extra is not installed")

from gateway.errors import InvalidContent
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Rejected, Retry
from gateway.wire.hl7 import Message
from gateway.wire.hl7_path import compile_path
from gateway_hl7.strict import check
from gateway_mllp.config import MllpConfig
from gateway_mllp.strict import build
from gateway_mllp.translate import content, control_id, outcome

CONFIG = MllpConfig(host="127.0.0.1", port=2575, plaintext=True)
PATIENT, OTHER = "0a1b2c3d-0000-8000-8000-000000000001", "0a1b2c3d-0000-8000-8000-000000000002"
JANE = {
    "name": {"family": "O|Neil", "given": "Jane"}, "birth_date": "1984-05-06", "sex": "female", "language": "es",
    "identifiers": [{"value": "1002", "type": "MR", "authority": "EMR"}],
    "addresses": [{"lines": ["12 Oak Ave", "Apt 3"], "city": "Madison", "state": "WI", "postal_code": "53703"}],
    "contacts": [{"system": "sms", "value": "(608) 234", "e164": "+16082345678", "use": "mobile"},
                 {"system": "email", "value": "j@example.org"}],
}  # fmt: skip
BOOKING = {
    "start": "2026-01-09T12:30:00-06:00", "end": "2026-01-09T13:15:00-06:00", "status": "booked", "minutes": 45,
    "type": "PT visit", "reason": "Knee", "patient": PATIENT, "practitioner": OTHER, "location": OTHER, "room": "GYM",
}  # fmt: skip
VISIT = {
    "patient": PATIENT, "service_date": "2026-01-05", "diagnoses": ["M54.5"],
    "charges": [
        {"procedure_code": "97110", "modifiers": ["GP", "KX"], "units": "2", "amount": "90.00", "number": "c1",
         "diagnoses": ["M54.5"]},
        {"procedure_code": "97140", "units": "1", "credit": True, "service_date": "2026-01-06"},
    ],
}  # fmt: skip


def delivery(type: str, fields: dict, change: str = "created", **more) -> Delivery:
    plain = {
        "key": "k1", "change": change, "type": type, "record_id": PATIENT, "order": "o", "version": 1,
        "at": "2026-01-05T14:00:00.123456Z", "source": "s", "observed_at": "2026-01-05T14:00:00Z",
        "fields": tuple(fields), "body": msgspec.json.encode(fields),
    }  # fmt: skip
    return Delivery(**plain | more)


def built(*arguments, **more) -> Message:
    made = content(delivery(*arguments, **more), CONFIG)
    assert made is not None
    return Message(build(made))


def read(message: Message, *paths: str) -> list:
    return [compile_path(path)(message) for path in paths]


@pytest.mark.parametrize(
    ("type", "fields", "change", "event"),
    [("Patient", JANE, "created", "A28"), ("Patient", JANE, "updated", "A31"), ("Patient", JANE, "removed", "A29"),
     ("Patient", {"merged_into": OTHER}, "merged", "A40"), ("Appointment", BOOKING, "created", "S12"),
     ("Appointment", BOOKING, "updated", "S14"), ("Appointment", BOOKING | {"status": "cancelled"}, "updated", "S15"),
     ("Appointment", BOOKING | {"status": "no-show"}, "updated", "S26"), ("Appointment", BOOKING, "removed", "S17"),
     ("Visit", VISIT, "created", "P03")],
)  # fmt: skip
def test_every_message_conforms_to_the_standard(type, fields, change, event):
    """The event follows from the change, and the library finds nothing wrong with what was built."""
    message = built(type, fields, change)
    assert read(message, "MSH-9.2", "MSH-10", "MSH-12") == [event, control_id(delivery(type, fields)), "2.5.1"]
    assert check(message.data) == []


def test_a_patient_is_told_with_what_the_view_grants():
    """Names, identifiers, addresses and contacts stand where the standard puts them, escaped."""
    message = built("Patient", JANE)
    assert read(message, "PID-3.1", "PID-3.4", "PID-3[MR].1", "PID-5.1.1", "PID-5.2", "PID-7", "PID-8", "PID-15") == [
        PATIENT, "GATEWAY", "1002", "O|Neil", "Jane", "19840506", "F", "es",
    ]  # fmt: skip
    assert read(message, "PID-11.1", "PID-11.2", "PID-11.5", "PID-13.1", "PID-13[2].4") == [
        "12 Oak Ave", "Apt 3", "53703", "+16082345678", "j@example.org",
    ]  # fmt: skip


def test_an_appointment_keeps_its_offset():
    """Times carry the clinic's offset; patient, place and clinician are told by their record ids."""
    message = built("Appointment", BOOKING)
    assert read(message, "SCH-2", "SCH-11.4", "SCH-11.5", "SCH-25", "PID-3.1", "AIP-3.1", "AIL-3.2") == [
        PATIENT, "20260109123000-0600", "20260109131500-0600", "Booked", PATIENT, OTHER, "GYM",
    ]  # fmt: skip


def test_charges_are_transactions():
    """Each charge is one FT1 with code, modifiers, units and amount; a line taken back is a credit."""
    message = built("Visit", VISIT)
    assert len(message.segments("FT1")) == 2
    assert read(message, "FT1-2", "FT1-4", "FT1-6", "FT1-10", "FT1-11.1", "FT1-25.1", "FT1-26.1", "FT1-26[2].1") == [
        "c1", "20260105", "CG", "2", "90.00", "97110", "GP", "KX",
    ]  # fmt: skip
    assert read(message, "FT1[2]-4", "FT1[2]-6", "DG1-3.1") == ["20260106", "CD", "M54.5"]


def test_what_no_message_can_tell_is_not_guessed():
    """A record type without a message gives none; a record without what the standard needs gives an error."""
    assert content(delivery("Coverage", {"member_id": "1"}), CONFIG) is None
    made = content(delivery("Visit", {"patient": PATIENT}), CONFIG)
    assert made is not None
    with pytest.raises(InvalidContent) as caught:
        build(made)
    assert caught.value.reason == "not-valid"
    assert PATIENT not in str(caught.value)


def test_a_control_id_belongs_to_the_effect():
    """Another attempt has the same id, another effect another one; both fit MSH-10."""
    first = control_id(delivery("Patient", JANE))
    assert first == control_id(delivery("Patient", {}))
    assert first != control_id(delivery("Patient", JANE, key="k2"))
    assert len(first) == 20


@pytest.mark.parametrize(
    ("segments", "expected"),
    [("MSA|AA|c", Delivered("AA 77")), ("MSA|CA|c", Delivered("CA 77")), ("MSA|CE|c", Rejected("CE")),
     ("MSA|AE|c\rERR|||101^x", Rejected("AE 101")), ("MSA|AR|c\rERR|||200", Rejected("AR 200")),
     ("MSA|AR|c\rERR|||207", Retry("AR 207")), ("MSA|CR|c", Retry("CR")), ("MSA|AR|c||||203", Rejected("AR 203")),
     ("MSA|AA|other", None), ("", None), ("MSA|XX|c", Ambiguous("unknown-acknowledgement")),
     ("MSA|AE|c\rERR|||DOE JANE", Rejected("AE"))],
)  # fmt: skip
def test_an_acknowledgement_is_an_outcome(segments, expected):
    """Accepted, refused for good, or not now; an answer to another message is none, and its text is never kept."""
    answer = f"MSH|^~\\&|R|R|G|G|20260105||ACK|77|P|2.5.1\r{segments}".encode()
    assert outcome(answer, "c") == expected
    assert outcome(b"no message at all", "c") is None
