from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, MalformedEnvelope, StoreUnavailable
from gateway.wire.hl7 import Message
from gateway.wire.hl7_header import acknowledge, glance, peek
from gateway.wire.hl7_path import compile_path
from tests.unit.wire.feeding import assert_linear

SIU = (
    b"MSH|^~\\&|APP|FAC|GW|HUB|20260105080000||SIU^S12^SIU_S12|77|T|2.4\rSCH|1\rPID|1||111^^^X&1.2&ISO^PI~222^^^Y&3^MR|"
)


def kind(data: bytes) -> str:
    return peek(data).kind


def test_peek_reads_what_intake_needs():
    """Control id, event, and the medical record number with its authority."""
    header = peek(SIU)
    assert (header.control_id, header.kind, header.order_key) == ("77", "SIU^S12", "222^Y")
    assert (header.field(11), header.field(99)) == (b"T", b"")


@pytest.mark.parametrize(
    ("pid", "key"),
    [
        (b"", None),
        (b"5", "5^"),
        (b"5^^^A&b", "5^A"),
        (b'""', None),
        (b"5~6^^^^MR", "6^"),
        (b"5^^^Q^MR~6^^^R^MR", "5^Q"),
    ],
)
def test_order_key_is_the_patient_of_the_record(pid, key):
    """The key follows the identifier that names the patient: the first MR, else the first of all."""
    assert peek(b"MSH|^~\\&|||||||A^B|1\rPID|1||" + pid + b"|x").order_key == key


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_peek_understands_every_line_end(end):
    """Header and patient are found with CR, LF and CR LF."""
    assert peek(SIU.replace(b"\r", end)).order_key == "222^Y"


def test_event_is_completed_from_evn():
    """A type without its event takes the event from EVN-1, and stays alone without one."""
    assert kind(b"MSH|^~\\&|||||||ADT|1\rEVN|A08|x\r") == "ADT^A08"
    assert kind(b"MSH|^~\\&|||||||ADT^^ADT_A01|1\rEVN|A08\r") == "ADT^A08"
    assert kind(b"MSH|^~\\&|||||||ACK|1\r") == "ACK"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_peek_reads_wide_headers(encoding):
    """A marked or two-byte message is peeked like any other."""
    header = peek(SIU.decode().encode(encoding))
    assert (header.control_id, header.order_key) == ("77", "222^Y")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no-header"),
        (b"PID|1", "no-header"),
        (b"FHS|^~\\&|", "batch"),
        (b"MSH", "delimiters"),
        (b"MSH|", "no-message-type"),
        (b"MSH|^~\\&|", "no-message-type"),
        (b"MSH|^~\\&|||||||A^B|", "no-control-id"),
        (b"MSH|^~\\&|||||||A^B", "no-control-id"),
        (b"MSH|^~\\&|||||||^|1", "no-message-type"),
        (b"MSH|^^^^|||||||A^B|1", "delimiters"),
        (b"MSHx^~\\&xxxxxxxA^Bx1", "delimiters"),
        (SIU + b"\r" + SIU, "several-messages"),
        (b"MSH|^~\\&tolong|||||||A|1", "delimiters"),
    ],
)
def test_header_faults_are_malformed(data, reason):
    """What the header alone shows is refused before anything is stored, and can still be answered."""
    with pytest.raises(MalformedEnvelope) as caught:
        peek(data)
    assert caught.value.reason == reason
    answer = Message(acknowledge(glance(data), "AR", "R1", caught.value))
    assert compile_path("MSA-1")(answer) == "AR"
    assert compile_path("ERR-4")(answer) == "E"


def test_acknowledgement_swaps_sides_and_echoes():
    """Sender and receiver change places; control id, processing id, version and time are the message's own."""
    assert acknowledge(peek(SIU), "AA", "G9") == (
        b"MSH|^~\\&|GW|HUB|APP|FAC|20260105080000||ACK^S12^ACK|G9|T|2.4\rMSA|AA|77\r"
    )


def test_error_is_told_by_place_and_code():
    """ERR names the place, a code of table 0357 and words; never a value."""
    error = MalformedEnvelope("no-control-id", "The header has no id | at ^ all.", where="MSH-10")
    answer = acknowledge(glance(SIU), "AR", "G9", error)
    assert answer.endswith(b"\rERR||MSH^1^10|101^malformed-envelope^HL70357|E||||The header has no id   at   all.\r")
    assert b"|207^store-unavailable^" in acknowledge(glance(SIU), "AE", "G9", StoreUnavailable("Disk full"))


def test_acknowledgement_speaks_the_delimiters_of_the_message():
    """A sender with odd delimiters is answered in them."""
    answer = acknowledge(peek(b"MSH$%*!@$a$b$c$d$t$$ADT%A04$7"), "AA", "G1")
    assert answer == b"MSH$%*!@$c$d$a$b$t$$ACK%A04%ACK$G1$P$2.5.1\rMSA$AA$7\r"


PARTS = [b"MSH|^~\\&|", b"|", b"^", b"\r", b"\n", b"MSH", b"PID|", b"1", b"\xff", b"\0", b"~"]


@given(st.lists(st.sampled_from(PARTS)))
def test_any_bytes_peek_or_are_refused(parts):
    """Whatever comes, the peek answers or refuses in the gateway's words, and every refusal has an answer."""
    data = b"".join(parts)
    try:
        header = peek(data)
    except GatewayError as error:
        answer = acknowledge(glance(data), "AR", "x", error)
    else:
        answer = acknowledge(header, "AA", "x")
    assert peek(answer).kind.startswith("ACK")


@pytest.mark.parametrize("unit", [b"|", b"~", b"^", b"\r", b"\n", b"~1^^^^", b"\rPID", b"\xff\xfe"])
def test_time_is_linear(unit):
    """Hostile headers cost twice the time for twice the bytes."""

    def work(data):
        for message in (data, b"\xef\xbb\xbf" + data):
            try:
                peek(message)
            except GatewayError:
                glance(message)

    def shape(size):
        return b"MSH|^~\\&|||||||A^B|1\rPID|1||" + unit * (size // len(unit))

    assert_linear(work, shape)
    assert_linear(work, lambda size: unit * (size // len(unit)))
