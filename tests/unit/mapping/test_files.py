"""Golden translations of the shipped HL7 files: real segments in, canonical patches out."""

from __future__ import annotations

from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.errors import InvalidContent
from gateway.mapping import Mapping, check
from gateway.model import TYPES, fold
from gateway.model.identity import Ref
from gateway.model.patch import Patch
from gateway.wire.hl7 import Message
from gateway.wire.hl7_path import compile_path

FILES = files("gateway_mappings") / "hl7"
ZONE = ZoneInfo("America/Chicago")
MAPPING = Mapping.load(FILES, None, compile_path).bind(zone="America/Chicago")
CORPUS = Path(__file__).parents[3] / "../shared/corpora/hl7v2"
NONSTANDARD = {"MSH-7.1", "Appointment.start"}
"""Places that a few public samples fill against the standard (a date in US order, a shifted SCH)."""


def message(trigger: str, *segments: str) -> tuple[str, Message]:
    header = rf"MSH|^~\&|EMR|CLINIC|GATEWAY|HUB|20260105080000-0600||{trigger}|C1|P|2.5.1"
    return trigger, Message("\r".join([header, *segments]).encode())


def patches(trigger: str, *segments: str) -> dict[str, Patch]:
    return {patch.type: patch for patch in MAPPING.patches(*message(trigger, *segments))}


PID = (
    "PID|1||1002^^^EMR&1.2.3&ISO^MR~900112233^^^USSSA^SS||DOE&VAN^JANE^Q^JR^DR^^L~ROE^JANE^^^^^M||19840506|F||"
    "|12 OAK AVE^APT 3^MADISON^WI^53703^USA^H||^PRN^PH^^1^608^2345678~^NET^Internet^j.doe@example.org"
    "|(608)234-9999^WPN^PH|spa"
)
SCH = (
    r"SCH|P1^EMR|F9^HUB||||S12^Booked|FOLLOWUP^Follow \T\ up|PT^PT visit|45|min|^^45^20260109123000^20260109131500"
    + "|" * 14
)


def test_a_booking() -> None:
    """A full SIU^S12 gives the appointment with its times in the clinic's zone and references to all who take part."""
    made = patches(
        "SIU^S12", SCH + "Booked", PID, "PV1|1|O|EAST^GYM||||1999999984^ROE^ANN" + "|" * 12 + "V77",
        "AIS|1|A|97110^EXERCISE", "AIL|1|A|POOL^ROOM 2", "AIP|1|A|1888888881^LEE",
    )["Appointment"]  # fmt: skip
    assert (made.native_id, made.patient, made.source_version) == ("F9", "1002", "2026-01-05T14:00:00.000000Z")
    assert made.fields == {
        "status": "booked",
        "start": datetime(2026, 1, 9, 12, 30, tzinfo=ZONE), "start_as_sent": "20260109123000",
        "end": datetime(2026, 1, 9, 13, 15, tzinfo=ZONE), "end_as_sent": "20260109131500",
        "zone": "America/Chicago", "minutes": 45, "type": "PT visit", "reason": "Follow & up",
        "patient": Ref("Patient", "1002"), "practitioner": Ref("Practitioner", "1888888881"),
        "location": Ref("Location", "POOL"), "room": "ROOM 2", "visit_number": "V77",
        "cancel_reason": None, "cancelled_at": None,
    }  # fmt: skip


def test_a_booking_described_by_its_resources_only() -> None:
    """Where SCH-11 is empty, start, length, type and place come from AIS, and the clinic from PV1."""
    made = patches(
        "SIU^S14", "SCH|P1", PID, "PV1|1|O|EAST^GYM||||1999999984",
        "AIS|1|A|97110^EXERCISE|20260109123000-0500|||30|min||Confirmed",
    )["Appointment"]  # fmt: skip
    assert made.native_id == "P1"
    assert made.fields == {
        "status": "confirmed", "start": datetime(2026, 1, 9, 11, 30, tzinfo=ZONE), "start_as_sent": None,
        "zone": "America/Chicago", "minutes": 30, "type": "EXERCISE", "patient": Ref("Patient", "1002"),
        "practitioner": Ref("Practitioner", "1999999984"), "location": Ref("Location", "EAST"), "room": "GYM",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("trigger", "filler", "status"),
    [
        ("SIU^S12", "", "booked"), ("SIU^S13", "Pending", "booked"), ("SIU^S14", "complete", "completed"),
        ("SIU^S14", "Started", "arrived"), ("SIU^S14", "Noshow", "no-show"), ("SIU^S14", "Cancelled", "cancelled"),
        ("SIU^S15", "Booked", "cancelled"), ("SIU^S16", "", "cancelled"), ("SIU^S17", "Deleted", "cancelled"),
        ("SIU^S26", "Booked", "no-show"),
    ],
)  # fmt: skip
def test_status(trigger: str, filler: str, status: str) -> None:
    """The event settles cancellations and no-shows; elsewhere the filler's status speaks, then the event."""
    assert patches(trigger, SCH + filler, PID)["Appointment"].fields["status"] == status


def test_an_unknown_status_waits() -> None:
    """A status that the table does not list is refused at its place, without showing it."""
    with pytest.raises(InvalidContent) as caught:
        patches("SIU^S12", SCH + "Blocked", PID)
    assert (caught.value.reason, caught.value.where) == ("unmapped-code", "SCH-25.1")
    assert "Blocked" not in str(caught.value)


def test_a_cancellation_without_times() -> None:
    """A bare S15 says cancelled, when and why, and changes nothing else of what is stored."""
    fields = patches("SIU^S15", "SCH||F9||||WEATHER^Snow", "PID|1||1002")["Appointment"].fields
    assert fields == {
        "status": "cancelled", "zone": "America/Chicago", "patient": Ref("Patient", "1002"), "cancel_reason": "weather",
        "cancelled_at": datetime(2026, 1, 5, 8, tzinfo=ZONE),
    }  # fmt: skip


def test_a_patient() -> None:
    """PID gives identifiers, names, birth date, sex, addresses, contacts and language in canonical words."""
    made = patches("ADT^A08", PID, "NK1|1|DOE^SAM|SPO||^PRN^PH^^1^608^7654321")["Patient"]
    assert (made.native_id, made.patient) == ("1002", "1002")
    assert made.fields == {
        "identifiers": [
            {"value": "1002", "type": "MR", "authority": "EMR"},
            {"value": "900112233", "type": "SS", "authority": "USSSA"},
        ],
        "name": {"family": "DOE", "given": "JANE", "middle": "Q", "suffix": "JR", "prefix": "DR"},
        "other_names": [{"family": "ROE", "given": "JANE"}],
        "birth_date": date(1984, 5, 6), "birth_date_as_sent": None, "sex": "female",
        "addresses": [{
            "lines": ["12 OAK AVE", "APT 3"], "city": "MADISON", "state": "WI", "postal_code": "53703",
            "country": "USA", "use": "home",
        }],
        "contacts": [
            {"system": "phone", "use": "home", "value": "6082345678", "e164": "+16082345678"},
            {"system": "email", "use": "other", "value": "j.doe@example.org"},
            {"system": "phone", "use": "work", "value": "(608)234-9999", "e164": "+16082349999"},
        ],
        "language": "es", "emergency_name": "SAM DOE", "emergency_phone": "6087654321",
    }  # fmt: skip


def test_absent_and_deleted_parts_of_a_patient() -> None:
    """An empty field changes nothing, two quotes delete, a partial date and a foreign number stay as sent."""
    assert patches("ADT^A08", "PID|1||7")["Patient"].fields == {"identifiers": [{"value": "7"}]}
    fields = patches(
        "ADT^A31", 'PID|1||7||""||1984|""|||""||^PRN^PH^^44^20^79460000||""' + "|" * 14 + "20260101101500|Y"
    )["Patient"].fields
    assert fields == {
        "identifiers": [{"value": "7"}], "name": None, "birth_date": None, "birth_date_as_sent": "1984", "sex": None,
        "addresses": None, "contacts": [{"system": "phone", "use": "home", "value": "2079460000"}], "language": None,
        "deceased_at": datetime(2026, 1, 1, 10, 15, tzinfo=ZONE), "deceased": True,
    }  # fmt: skip


def test_a_schedule_message_without_patient() -> None:
    """A slot without PID makes no patient and an appointment that names none."""
    made = patches("SIU^S12", SCH + "Booked")
    assert set(made) == {"Appointment"}
    assert made["Appointment"].patient is None


def test_shipped_files_hold_against_the_model() -> None:
    """`gateway mappings check` finds nothing in the HL7 files."""
    assert check(FILES, None, compile_path, TYPES) == []


def _samples() -> list[tuple[str, Message]]:
    found = []
    kind = compile_path("MSH-9.1"), compile_path("MSH-9.2")
    for file in sorted(CORPUS.rglob("*.hl7")):
        for part in file.read_bytes().split(b"MSH|")[1:]:
            try:
                one = Message(b"MSH|" + part)
            except InvalidContent:
                continue
            except Exception as error:
                if getattr(error, "reason", "") != "delimiters":
                    raise
                continue
            found.append(("^".join(str(read(one)) for read in kind), one))
    return [(name, one) for name, one in found if name in MAPPING.kinds]


def test_public_samples_become_records() -> None:
    """Public samples of these kinds become valid records, traced like untraced, a few nonstandard ones aside."""
    if not CORPUS.is_dir():
        pytest.skip("the shared corpora are not beside this checkout")
    traced = MAPPING.traced()
    samples = _samples()
    refused: list[str] = []
    for kind, one in samples:
        try:
            made = MAPPING.patches(kind, one)
            assert traced.patches(kind, one) == made
            for patch in made:
                fold(patch.type, None, {name: _linked(value) for name, value in patch.fields.items()})
        except InvalidContent as trouble:
            refused.append(trouble.where)
    assert len(samples) > 20
    assert set(refused) <= NONSTANDARD
    assert len(refused) < len(samples) / 10


def _linked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _linked(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_linked(inner) for inner in value]
    return value.native_id if isinstance(value, Ref) else value
