"""What events mean: patches, suppressions, merges; pure and in our own errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidContent, RejectMessage
from gateway.mapping import Mapping
from gateway.model.exchange import Item
from gateway.model.identity import Ref
from gateway_hl7.plugin import Hl7Adapter
from gateway_hl7.simulator import clinic_day

ADAPTER = Hl7Adapter()
MAPPING = Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")
NORMALIZE = ADAPTER.normalizer(ADAPTER.config(), MAPPING)


def normalize(event: str, *segments: str):
    msh = f"MSH|^~\\&|A|B|C|D|20260105080000-0600||{event}|1|P|2.5.1"
    return NORMALIZE("\r".join([msh, *segments]).encode(), b"")


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
    [("ORU^R01", "unsupported-event"), ("ADT^A02", "unsupported-event"), ("ACK", "acknowledgement"),
     ("ACK^S12^ACK", "acknowledgement")],
)  # fmt: skip
def test_other_messages_are_suppressed_with_their_reason(event, reason):
    """What makes no record says why."""
    result = normalize(event, "PID|1||7")
    assert (result.patches, result.suppressed) == ((), reason)


def test_a_merge_says_who_stays():
    """A40: the prior patient of each MRG is merged into the PID before it, pair by pair."""
    result = normalize(
        "ADT^A40^ADT_A39", "PID|1||1^^^A^MR||ONE", "MRG|x^^^A^PI~11^^^A^MR", "PID|2||2^^^A^MR||TWO", "MRG|22",
    )  # fmt: skip
    assert [(patch.operation, patch.native_id, patch.into) for patch in result.patches] == [
        ("upsert", "1", None), ("merge", "11", "1"), ("upsert", "2", None), ("merge", "22", "2"),
    ]  # fmt: skip
    assert result.patches[1].fields == {"merged_into": Ref("Patient", "1")}
    assert result.patches[1].source_version == result.patches[0].source_version
    assert result.patches[2].fields["name"] == {"family": "TWO"}


@pytest.mark.parametrize(
    ("segments", "where"),
    [(["PID|1||1"], "MRG"), (["MRG|1"], "MRG"), ([], "MRG-1"), (["PID|1||1", "MRG|"], "MRG-1"),
     (["PID|1||1", 'MRG|""'], "MRG-1"), (["PID|1||", "MRG|2"], "PID-3"),
     (["PID|1||1", "PID|2||2", "MRG|3"], "MRG")],
)  # fmt: skip
def test_a_merge_that_does_not_name_both_is_refused(segments, where):
    """Half a merge is never guessed."""
    with pytest.raises(InvalidContent) as caught:
        normalize("ADT^A40", *segments)
    assert (caught.value.reason, caught.value.where) == ("missing-id", where)


def test_a_patient_merged_into_itself_is_only_updated():
    """A40 with the same id on both sides changes the patient and merges nobody."""
    assert [patch.operation for patch in normalize("ADT^A40", "PID|1||1", "MRG|1").patches] == ["upsert"]


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


def test_public_corpus_is_translated_or_refused(corpora):
    """Every message of the public samples becomes patches, is suppressed or refused with a reason."""
    seen = 0
    for file in (corpora / "hl7v2").rglob("*"):
        if file.suffix.lower() not in {".hl7", ".txt"}:
            continue
        for part in ADAPTER.cut([file.read_bytes()], ADAPTER.config()):
            if isinstance(part, Item):
                seen += 1
                try:
                    result = NORMALIZE(part.body, part.context)
                except RejectMessage as error:
                    assert error.reason  # noqa: PT017  # any word will do, any other exception fails
                else:
                    assert result.suppressed or result.patches
    assert seen > 150
