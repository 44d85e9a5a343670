"""What events mean: patches, suppressions, merges; pure and in our own errors."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidContent, RejectMessage
from gateway.flow.preview import Preview
from gateway.flow.source import Source
from gateway.model.identity import Ref
from gateway_hl7.simulator import clinic_day
from tests.unit.adapters.hl7.told import ADAPTER, MAPPING, NORMALIZE, normalize


@pytest.mark.parametrize("event", ["S12", "S13", "S14", "S15", "S16", "S17", "S26"])
def test_schedule_messages_give_appointment_and_patient(event):
    """Every SIU event yields the appointment named by its filler id and the patient of its MR identifier."""
    sch = "SCH|P1|F1|||||||30|min|^^30^20260109123000^20260109130000||||||||||||||Booked"
    result = normalize(f"SIU^{event}", sch, "PID|1||9^^^X^PI~7^^^A^MR||DOE^JO")
    assert {patch.type: patch.native_id for patch in result.patches} == {"Appointment": "F1", "Patient": "7"}
    assert all(patch.patient == "7" for patch in result.patches)
    appointment = next(patch for patch in result.patches if patch.type == "Appointment")
    assert appointment.fields["patient"] == Ref("Patient", "7")
    assert appointment.fields["start"].isoformat() == "2026-01-09T12:30:00-06:00"


@pytest.mark.parametrize(
    ("use", "equipment", "expected"),
    [
        ("PRN", "CP", "mobile"),
        ("", "CP", "mobile"),
        ("PRN", "PH", "home"),
        ("PRS", "PH", "mobile"),
        ("WPN", "CP", "work"),
    ],
)
def test_a_cell_phone_is_a_mobile_number_wherever_it_is_at_home(use, equipment, expected):
    """XTN-3 says what texts reach, whatever XTN-2 says; a number of work stays one."""
    (patch,) = normalize("ADT^A04", f"PID|1||7^^^A^MR||DOE^JO||||||||^{use}^{equipment}^^1^217^5550101").patches
    assert [(one["use"], one["system"]) for one in patch.fields["contacts"]] == [(expected, "phone")]


@pytest.mark.parametrize("event", ["A01", "A04", "A08", "A31"])
def test_patient_messages_give_the_patient(event):
    """Every ADT event of the adapter yields the patient; what is absent is not in the patch, ``""`` deletes."""
    (patch,) = normalize(f"ADT^{event}", 'PID|1||7^^^A^MR||DOE^JO||""|').patches
    assert (patch.type, patch.native_id, patch.operation) == ("Patient", "7", "upsert")
    assert patch.source_version == "2026-01-05T14:00:00.000000Z"
    assert patch.fields["birth_date"] is None
    assert "sex" not in patch.fields


def test_a_patient_message_without_a_patient_is_refused():
    """A message that should make a record and names nobody is never settled in silence."""
    with pytest.raises(InvalidContent) as caught:
        normalize("ADT^A08", "PID|1||||DOE^JO")
    assert (caught.value.reason, caught.value.where) == ("missing-id", "PID-3")


@pytest.mark.parametrize(
    ("event", "reason"),
    [("ORU^R01", "unsupported-event"), ("ADT^A09", "unsupported-event"), ("ACK", "acknowledgement"),
     ("ACK^S12^ACK", "acknowledgement")],
)  # fmt: skip
def test_other_messages_are_suppressed_with_their_reason(event, reason):
    """What makes no record says why."""
    result = normalize(event, "PID|1||7")
    assert (result.patches, result.suppressed) == ((), reason)


def test_a_clinic_day_translates_whole_and_alike():
    """Every message of the simulator becomes patches, and the same bytes the same patches."""
    for body in clinic_day(visits=40, patients=10):
        result = NORMALIZE(body, b"")
        assert result.patches
        assert result.suppressed is None
        assert NORMALIZE(body, b"") == result


@given(st.integers(0, 400), st.sampled_from([b"", b"|", b"\r", b'""', b"~", b"\xff", b"\\X", b"MSH|", b"^^^^^^"]))
def test_damaged_messages_are_refused_in_our_words(at, damage):
    """Whatever happens to a message's bytes, it is translated or refused, and nothing else is raised."""
    body = DAY[at % len(DAY)]
    at = at * 7 % len(body)
    try:
        NORMALIZE(body[:at] + damage + body[at + 1 :], b"")
    except RejectMessage as error:
        assert error.reason  # noqa: PT017  # any word will do, any other exception fails


DAY = clinic_day(visits=20, patients=5)


PID = "PID|1||7^^^A^MR||DOE^JO"


def seg(name: str, **fields: str) -> str:
    """A segment by field numbers: ``seg("PV1", _19="V5")``."""
    numbers = {int(number[1:]): value for number, value in fields.items()}
    return "|".join([name, *(numbers.get(at, "") for at in range(1, max(numbers) + 1))])


PV1 = seg("PV1", _2="O", _3="N^GYM", _7="T1^LEE", _19="V5")


def by_type(result) -> dict[str, list]:
    found: dict[str, list] = {}
    for patch in result.patches:
        found.setdefault(patch.type, []).append(patch)
    return found


@pytest.mark.parametrize("event", ["A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A11", "A13", "A28", "A31"])
def test_a_visit_number_gives_the_visit(event):
    """PV1-19 names the visit of every event about one; A05, A28 and A31 are about the person only."""
    found = by_type(normalize(f"ADT^{event}", PID, PV1))
    assert [patch.native_id for patch in found["Patient"]] == ["7"]
    visits = found.get("Visit", [])
    assert [patch.native_id for patch in visits] == ([] if event in {"A05", "A28", "A31"} else ["V5"])
    status = {"A01": "in-progress", "A03": "finished", "A11": "cancelled", "A13": "in-progress"}.get(event)
    assert [patch.fields.get("status") for patch in visits] == [status] * len(visits)


def test_a_day_stands_where_the_standard_allows_a_time():
    """TS may be a day alone: admission, certification, answer and death keep it, the end of a visit says no time."""
    found = by_type(
        normalize(
            "ADT^A08", seg("PID", _3="7^^^A^MR", _29="20260107"), seg("PV1", _19="V5", _44="20260105", _45="20260105"),
            "IN1|1|P|PAY9", seg("IN3", _2="CERT5", _6="20260104"), seg("AUT", _2="PAY9", _6="A-1", _10="20260103"),
        )
    )  # fmt: skip
    (visit,), (patient,) = found["Visit"], found["Patient"]
    assert visit.fields["start"].isoformat() == "2026-01-05T00:00:00-06:00"
    assert "end" not in visit.fields
    assert patient.fields["deceased_at"].isoformat() == "2026-01-07T00:00:00-06:00"
    days = {one.fields["number"]: one.fields["decided_at"].date() for one in found["Authorization"]}
    assert days == {"CERT5": date(2026, 1, 4), "A-1": date(2026, 1, 3)}


def scheduled(event: str, start: str, end: str, *more: str) -> dict:
    """The appointment's fields of a schedule message, of which nothing is held back."""
    sch = f"SCH|P1|F1|||||||30|min|^^30^{start}^{end}||||||||||||||Booked"
    (one,) = by_type(normalize(f"SIU^{event}", sch, "PID|1||7^^^A^MR||DOE^JO", *more))["Appointment"]
    assert one.held == ()
    return one.fields


def test_a_day_alone_is_no_time_of_an_appointment():
    """Where SCH-11 has only days the next place that has a time counts; the end may stay open, and nothing is held."""
    fields = scheduled("S12", "20260109123000", "20260109")
    assert fields["start_as_sent"] == "20260109123000"
    assert not fields.keys() & {"end", "end_as_sent"}
    fields = scheduled("S13", "20260109", "", "AIS|1||X|20260109124500-0600")
    assert (fields["start"].isoformat(), fields["start_as_sent"]) == ("2026-01-09T12:45:00-06:00", None)
    fields = scheduled("S12", "20260109123000", "20260109", "TQ1|1||||||20260109123000|20260109131500")
    assert (fields["end"].isoformat(), fields["end_as_sent"]) == ("2026-01-09T13:15:00-06:00", "20260109131500")


@pytest.mark.parametrize("event", ["S15", "S16", "S17", "S26"])
def test_an_appointment_ends_though_its_message_names_only_the_day(event):
    """It is known by its number: whoever waits for the cancellation must not wait for a time that nobody needs."""
    fields = scheduled(event, "20260109", "20260109")
    assert fields["status"] in {"cancelled", "no-show"}
    assert not fields.keys() & {"start", "end", "start_as_sent", "end_as_sent"}


@pytest.mark.parametrize("event", ["S12", "S13", "S14"])
def test_an_appointment_that_is_made_or_moved_needs_its_time(event):
    """Midnight would be a guess that patients are reminded of: the message waits, and its place is told."""
    with pytest.raises(InvalidContent) as caught:
        scheduled(event, "20260109", "20260109133000")
    assert (caught.value.reason, caught.value.where) == ("imprecise-time", "SCH-11.4")


def test_charges_add_up_under_their_visit():
    """DFT: codes, modifiers, units, diagnoses, amount and day of each charge; payments are records of their own."""
    result = normalize(
        "DFT^P03", PID, PV1,
        seg("FT1", _2="c1", _4="20260105", _6="CG", _7="L1", _10="2", _11="90.00^USD", _19="M54.5~M25.511", _20="T9",
            _25="97110^EX", _26="GP~KX"),
        seg("FT1", _2="c2", _4="20260106", _6="CD", _7="97140", _10=" 1", _11="45"),
        seg("FT1", _2="p1", _4="20260105", _6="PY", _7="CASH", _11="30.00"),
        seg("FT1", _2="a1", _4="20260105", _6="AJ", _7="WRITEOFF", _11="10"), "DG1|1||M54.5",
    )  # fmt: skip
    found = by_type(result)
    (visit,), (payment,) = found["Visit"], found["PatientPayment"]
    assert (visit.operation, visit.native_id, visit.source_version) == ("collect", "V5", None)
    assert visit.fields["diagnoses"] == ["M54.5"]
    first, second = visit.fields["charges"]
    assert first == {
        "procedure_code": "97110", "number": "c1", "service_date": date(2026, 1, 5), "modifiers": ["GP", "KX"],
        "units": Decimal(2), "diagnoses": ["M54.5", "M25.511"], "amount": Decimal("90.00"),
    }  # fmt: skip
    assert (second["procedure_code"], second["credit"]) == ("97140", True)
    assert (payment.native_id, payment.fields["amount"], payment.patient) == ("p1", Decimal("30.00"), "7")
    assert payment.fields["received_at"].isoformat() == "2026-01-05T00:00:00-06:00"


@pytest.mark.parametrize(
    ("segments", "visit"),
    [(["PID|1||7||D|||||||||||||ACC", "FT1|1|||20260105||CG|97110"], "ACC/20260105"),
     (["PID|1||7||D", "FT1|1|||20260105||CG|97110"], "7/20260105"), (["PID|1||7", "FT1|1|t1||||CG|97110"], "t1")],
)  # fmt: skip
def test_charges_without_a_visit_number_find_their_day(segments, visit):
    """The account and the day, or else the patient and the day, stand for a visit without a number."""
    assert by_type(normalize("DFT^P03", *segments))["Visit"][0].native_id == visit


def test_whoever_a_charge_names_becomes_a_practitioner():
    """Attending and performing providers are nobody's patients; a number is an NPI only where that is said."""
    pv1 = "PV1|1|O|||||1234567893^HOUSE^GREG^^^^MD^^NPI||||||||||||V5"
    ft1 = seg("FT1", _2="c1", _4="20260105", _6="CG", _7="97110", _11="90", _20="T9^KIM^SUE")
    found = {one.native_id: one for one in by_type(normalize("DFT^P03", PID, pv1, ft1))["Practitioner"]}
    attending, performing = found["1234567893"], found["T9"]
    assert attending.fields["npi"] == "1234567893"
    assert attending.fields["name"] == {"family": "HOUSE", "given": "GREG"}
    assert attending.fields["credentials"] == "MD"
    assert performing.fields == {"name": {"family": "KIM", "given": "SUE"}}
    assert attending.patient is performing.patient is None


INSURED = [
    seg("IN1", _1="1", _2="P1^GOLD", _3="AETNA", _4="Aetna Inc", _5="1 Main^^Omaha^NE^68101", _8="G9", _12="20260101",
        _13="20261231", _14="AN1", _16="DOE^ANN", _17="SPO", _18="19800101", _22="1", _36="M77"),
    seg("IN3", _2="CERT1", _6="20260102093000", _9="20260105", _10="20260331"),
    seg("IN1", _1="2", _2="P2", _3="MEDICARE", _17="SEL", _36="X1"),
]  # fmt: skip


@pytest.mark.parametrize("event", ["BAR^P01", "BAR^P05", "ADT^A04"])
def test_procedures_stand_in_their_visit(event):
    """Each PR1 is a procedure with code, modifiers, time, who did it and what it treats; one without a code is none."""
    pv1 = "PV1|1|O|||||||||||||||||V9"
    first = "PR1|1||97110^Therapeutic exercise^CPT||202601050930||30||||T4^KIM|||1|M54.5|GP~KX|||N1"
    result = normalize(event, PID, pv1, first, "PR1|2||97140^^CPT|Manual therapy|20260105", "PR1|3|||free text")
    (visit,) = by_type(result)["Visit"]
    one, two = visit.fields["procedures"]
    assert one.pop("performed_at").isoformat() == "2026-01-05T09:30:00-06:00"
    assert one == {
        "procedure_code": "97110", "code_system": "CPT", "description": "Therapeutic exercise", "minutes": 30,
        "practitioner": Ref("Practitioner", "T4"), "priority": 1, "diagnosis": "M54.5", "modifiers": ["GP", "KX"],
        "number": "N1",
    }  # fmt: skip
    assert (two["procedure_code"], two["description"]) == ("97140", "Manual therapy")
    assert "PR1-3" not in result.residue


@pytest.mark.parametrize("event", ["BAR^P01", "DFT^P03", "ADT^A28", "REF^I12"])
def test_the_guarantor_is_told_whole(event):
    """GT1 says who answers for the bills, how to reach them, what they are to the patient, and since when."""
    gt1 = (
        "GT1|1|G5|DOE^ANN^B||1 ELM ST^^FOWL^CA^99999^US|5125550101|(512)555-0102|19800102|F||PAR||20260101|20261231"
        "|||||||ACME TRUST"
    )
    more = {"DFT^P03": ["FT1|1|||20260105||CG|97110"], "REF^I12": ["RF1|A|||||R1"]}
    result = normalize(event, PID, gt1, *more.get(event, ()))
    (patient,) = by_type(result)["Patient"]
    assert patient.fields["guarantor_name"] == "ANN DOE"
    assert patient.fields["guarantor"] == {
        "number": "G5", "name": {"family": "DOE", "given": "ANN", "middle": "B"}, "organization": "ACME TRUST",
        "addresses": [
            {"lines": ["1 ELM ST"], "city": "FOWL", "state": "CA", "postal_code": "99999", "country": "US"}
        ],
        "contacts": [
            {"system": "phone", "value": "5125550101"}, {"system": "phone", "value": "(512)555-0102"},
        ],
        "birth_date": date(1980, 1, 2), "sex": "female", "relationship": "parent", "starts_on": date(2026, 1, 1),
        "ends_on": date(2026, 12, 31),
    }  # fmt: skip
    assert not [place for place in result.residue if place.startswith("GT1")]


@pytest.mark.parametrize("event", ["ADT^A04", "ADT^A28", "DFT^P03", "BAR^P01", "BAR^P05", "REF^I12", "SIU^S12"])
def test_each_insurance_is_a_coverage_of_its_own(event):
    """IN1 to IN3 give payer, coverage and authorizations wherever they stand; an IN3 belongs to the IN1 before it."""
    more = {
        "DFT^P03": ["FT1|1|||20260105||CG|97110"], "REF^I12": ["RF1|A|||||R1"],
        "SIU^S12": ["SCH|P1|F1|||||||||^^^20260109123000"],
    }  # fmt: skip
    found = by_type(normalize(event, PID, *more.get(event, ()), *INSURED))
    assert [patch.native_id for patch in found["Payer"]] == ["AETNA", "MEDICARE"]
    first, second = found["Coverage"]
    assert (first.native_id, second.native_id, first.patient) == ("7/AETNA/M77", "7/MEDICARE/X1", "7")
    assert first.fields | {"payer": 0, "patient": 0} == {
        "patient": 0, "payer": 0, "member_id": "M77", "group_number": "G9", "plan_name": "GOLD", "priority": 1,
        "relationship": "spouse", "subscriber_name": "ANN DOE", "subscriber_birth_date": date(1980, 1, 1),
        "starts_on": date(2026, 1, 1), "ends_on": date(2026, 12, 31),
    }  # fmt: skip
    assert (second.fields["priority"], second.fields["relationship"]) == (2, "self")
    insured, certified = found["Authorization"]
    assert (insured.fields["number"], certified.fields["number"]) == ("AN1", "CERT1")
    assert certified.fields["ends_on"] == date(2026, 3, 31)
    assert certified.fields["coverage"] == Ref("Coverage", first.native_id)


def test_a_referral_brings_its_authorization():
    """REF: RF1 and PRD give the referral, AUT number, visits and period."""
    found = by_type(
        normalize(
            "REF^I12",
            "RF1|P^Pending|R|PHT|||R77|20260101|20260401",
            "PRD|RT|X^Y|||||999",
            "PRD|RP|A^B|||||123",
            PID,
            "DG1|1||M54.5",
            "AUT|PL|AETNA||20260101|20260401|A-1||12|10|20260102080000",
        )
    )
    (referral,), (authorization,) = found["Referral"], found["Authorization"]
    assert referral.native_id == "R77"
    assert referral.fields["status"] == "received"
    assert referral.fields["discipline"] == "PT"
    assert referral.fields["referrer"] == Ref("Practitioner", "123")
    assert referral.fields["diagnoses"] == ["M54.5"]
    assert authorization.native_id == "7/A-1"
    assert authorization.fields["status"] == "approved"
    assert authorization.fields["visits_approved"] == 10
    assert authorization.fields["starts_on"] == date(2026, 1, 1)
    assert by_type(normalize("REF^I14", "RF1|A|||||R77", PID))["Referral"][0].fields["status"] == "cancelled"


@pytest.mark.parametrize("event", ["ORM^O01", "OMG^O19"])
def test_each_order_is_a_referral(event):
    """Every ORC with its OBR and diagnoses is one referral; so is an OBR that repeats or has no ORC."""
    result = normalize(
        event, PID, "ORC|NW|o1|||||||20260105||^|DR1", "OBR|1|o1||PT", "DG1|1||M54.5", "ORC|CA|o2", "OBR|2|o2||XR",
        "OBR|3|o3||OT",
    )  # fmt: skip
    orders = by_type(result)["Referral"]
    assert [(patch.native_id, patch.fields.get("status"), patch.fields["discipline"]) for patch in orders] == [
        ("o1", "received", "PT"), ("o2", "cancelled", "other"), ("o3", None, "OT"),
    ]  # fmt: skip
    assert [patch.fields.get("diagnoses") for patch in orders] == [["M54.5"], None, None]
    assert orders[0].fields["referrer"] == Ref("Practitioner", "DR1")


def test_a_note_is_only_a_fact():
    """MDM T02: the visit is signed; the text of the note is in no patch, and its place is told as residue."""
    result = normalize(
        "MDM^T02", PID, PV1, "TXA|1|PN|TX|20260105||||||||D1|||||LA", "OBX|1|TX|||secret",
    )  # fmt: skip
    (visit,) = by_type(result)["Visit"]
    assert (visit.native_id, visit.fields["status"], visit.fields["service_date"]) == ("V5", "signed", date(2026, 1, 5))
    assert "secret" not in repr(result)
    assert "OBX-5" in result.residue


def test_a_message_type_written_with_an_underscore_is_read():
    """ADT_A08 for ADT^A08 is seen in the wild."""
    assert normalize("ADT_A08", PID).patches


EXCEPTIONS = Path(__file__).parent / "corpus_exceptions.tsv"


def test_public_corpus_normalizes_but_for_the_exceptions(corpora):
    """Every public sample of a listed event makes valid records; the table names every one that cannot, and why."""
    expected = {
        (file, int(number)): (reason, place)
        for file, number, reason, place, _ in (line.split("\t") for line in EXCEPTIONS.read_text().splitlines())
    }
    found, normalized = {}, 0
    for file in sorted((corpora / "hl7v2").rglob("*")):
        if file.suffix.lower() not in {".hl7", ".txt"}:
            continue
        source = Source.bind("t", "s", ADAPTER, ADAPTER.config(), MAPPING)
        for number, line in enumerate(Preview(source).lines([file.read_bytes()]), 1):
            if "quarantined" in line:
                name = file.relative_to(corpora / "hl7v2").as_posix()
                found[name, number] = (line["quarantined"], line["where"])
            elif "suppressed" in line:
                assert line["suppressed"] == "unsupported-event"
                assert line["kind"] not in MAPPING.kinds
            else:
                normalized += 1
                assert line["records"]
    assert found == expected
    assert normalized > 100
