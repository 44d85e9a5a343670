"""Every adapter reads the two hours of a clock change the same way: 8 March and 1 November 2026 in New York.

Who writes what the clinic's wall shows is read by one rule: a time that is skipped moves on with the clocks, one that
is shown twice is the first. Who sends moments (UTC, an offset, seconds) is taken at his word.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.flow.source import Source
from gateway.mapping import Mapping
from gateway.model.exchange import Item
from gateway.testing.conformance_subject import find_subject

ZONE = "America/New_York"
SKIPPED, TWICE = datetime(2026, 3, 8, 2, 30), datetime(2026, 11, 1, 1, 30)
AT_SKIPPED, FIRST, SECOND = (
    datetime(2026, month, day, hour, 30, tzinfo=UTC) for month, day, hour in ((3, 8, 7), (11, 1, 5), (11, 1, 6))
)
"""03:30 in summer time; 01:30 in summer time; 01:30 an hour later, in winter time."""
HALF = timedelta(minutes=30)


@cache
def bound(name: str, config: str) -> Source:
    """A source of this adapter at a clinic in New York."""
    adapter = find_subject(name).adapter
    mapping = Mapping.load(adapter.mappings, None, adapter.path).bind(zone=ZONE)
    return Source.bind("northside", name, adapter, adapter.config.model_validate(json.loads(config)), mapping)


def read(name: str, text: str, **config: Any) -> dict[str, Any]:
    """The fields of the one appointment that a file tells of, or of the one time that is taken."""
    source = bound(name, json.dumps(config))
    items = [part for part in source.adapter.cut([text.encode()], source.config) if isinstance(part, Item)]
    patches = [patch for item in items for patch in source.normalize(item.body, item.context).patches]
    (fields,) = (patch.fields for patch in patches if patch.type in ("Appointment", "Slot"))
    return fields


def hl7(begin: str, end: str) -> str:
    """A booking by SIU^S12."""
    return (
        "MSH|^~\\&|A|B|C|D|20260101080000-0500||SIU^S12^SIU_S12|1|P|2.5.1\r"
        f"SCH|P1|V1||||ROUTINE||^Visit|30|min|^^30^{begin}^{end}||||||||||||||Booked\rPID|1||7^^^P^MR||Rossi^Ava\r"
    )


def table(begin: str, end: str) -> str:
    """A row of WebPT's appointments."""
    head = "appointment_id,start_date,end_date,patient_id,appointment_status,time_stamp"
    return f"{head}\n1,{begin},{end},2,Active,2026-01-01\n"


def report(begin: str, end: str) -> str:
    """A row of Jane's report of appointments."""
    head = (
        "id,patient_number,patient_first_name,patient_last_name,start_at,end_at,treatment_name,staff_member_name,state"
    )
    return f"{head}\n1,1002,Ivo,Vargas,{begin},{end},Visit,Caleb Moreau,booked\n"


def feed(begin: str, end: str, named: str = f";TZID={ZONE}") -> str:
    """An event of a calendar."""
    event = f"BEGIN:VEVENT\r\nUID:a1\r\nDTSTART{named}:{begin}\r\nDTEND{named}:{end}\r\nSUMMARY:A. R.\r\nEND:VEVENT\r\n"
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{event}END:VCALENDAR\r\n"


FEEDS = {"feeds": {"ana": {"url": "env:FEED"}}, "feed_zone": ZONE}
WALLS: dict[str, Callable[[datetime, datetime], dict[str, Any]]] = {
    "hl7": lambda begin, end: read("hl7", hl7(f"{begin:%Y%m%d%H%M%S}", f"{end:%Y%m%d%H%M%S}")),
    "webpt": lambda begin, end: read("webpt", table(f"{begin}", f"{end:%m/%d/%Y %I:%M %p}")),
    "reports": lambda begin, end: read("reports", report(f"{begin}", f"{end}"), system="jane"),
    "jane-feed": lambda begin, end: read("jane", feed(f"{begin:%Y%m%dT%H%M%S}", f"{end:%Y%m%dT%H%M%S}"), **FEEDS),
    "jane-feed-floating": lambda begin, end: read(
        "jane", feed(f"{begin:%Y%m%dT%H%M%S}", f"{end:%Y%m%dT%H%M%S}", ""), **FEEDS
    ),
}
"""Adapters whose systems write what the wall shows."""


def utc(at: datetime) -> str:
    """As an API writes it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def cliniko(begin: datetime, end: datetime) -> dict[str, Any]:
    """A page of Cliniko's appointments."""
    patient = {"links": {"self": "https://api.example/v1/patients/2"}}
    row = {"id": "1", "updated_at": utc(SECOND), "patient": patient, "starts_at": utc(begin), "ends_at": utc(end)}
    return read("cliniko", json.dumps({"individual_appointments": [row], "total_entries": 1, "links": {}}))


def jane(begin: datetime, end: datetime) -> dict[str, Any]:
    """A page of Jane's appointments."""
    ids = {"id": "1", "patient_id": "2", "staff_member_id": "3", "treatment_id": "4"}
    row = ids | {"start_at": utc(begin), "end_at": utc(end), "state": "booked", "booked_at": utc(begin)}
    return read("jane", json.dumps({"items": [row]}))


def fhir(begin: datetime, end: datetime) -> dict[str, Any]:
    """An Appointment."""
    who = [{"actor": {"reference": "Patient/2"}, "status": "accepted"}]
    row = {"resourceType": "Appointment", "id": "1", "status": "booked", "participant": who}
    return read("fhir", json.dumps(row | {"start": begin.isoformat(), "end": end.isoformat()}))


def spry(begin: datetime, end: datetime) -> dict[str, Any]:
    """A page of a calendar of SPRY's."""
    row = {"appointment_id": "1", "clinic_id": "1", "doctor_id": "1", "patient": {"patient_id": "2"}}
    times = {"date_time": f"{begin.timestamp():.0f}", "end_date_time": f"{end.timestamp():.0f}"}
    data = {"total": 1, "pages": 1, "current": 1, "content": [row | times]}
    return read("spry", json.dumps({"code": 2000, "data": data}))


MOMENTS: dict[str, Callable[[datetime, datetime], dict[str, Any]]] = {
    "cliniko": cliniko, "jane": jane, "fhir": fhir, "spry": spry
}  # fmt: skip
"""Adapters whose systems send moments."""


@pytest.mark.parametrize("name", WALLS)
@pytest.mark.parametrize(("wall", "expected"), [(SKIPPED, AT_SKIPPED), (TWICE, FIRST)], ids=["skipped", "twice"])
def test_a_time_on_the_wall_is_read_by_one_rule(name: str, wall: datetime, expected: datetime) -> None:
    """02:30 that is skipped is 03:30 in summer time; 01:30 that is shown twice is the first; so is the visit's end."""
    fields = WALLS[name](wall, wall + HALF - timedelta(minutes=1))
    assert fields["start"].astimezone(UTC) == expected
    assert fields["end"].astimezone(UTC) == expected + HALF - timedelta(minutes=1)
    assert fields["start"].astimezone(ZoneInfo(ZONE)).hour == (3 if wall == SKIPPED else 1)


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize("moment", [AT_SKIPPED, FIRST, SECOND], ids=["after the gap", "first", "second"])
def test_a_moment_is_taken_at_its_word(name: str, moment: datetime) -> None:
    """A system that sends UTC or an offset tells the two half past one apart, and the clinic's zone changes nothing."""
    fields = MOMENTS[name](moment, moment + HALF)
    assert (fields["start"], fields["end"]) == (moment, moment + HALF)


def test_an_offset_in_hl7_says_which_half_past_one_is_meant() -> None:
    """Where a sender writes the offset, the second 01:30 of the night is the second."""
    assert read("hl7", hl7("20261101013000-0500", "20261101020000-0500"))["start"] == SECOND
    assert read("hl7", hl7("20261101013000-0400", "20261101020000-0500"))["start"] == FIRST
