"""Files to messages, and what no rule reads."""

from __future__ import annotations

import pytest

from gateway.model.exchange import Finding, Item
from gateway.wire.hl7 import Message
from gateway.wire.hl7_header import peek
from gateway_hl7.records import items, kind_of, recognize, residue_of


def message(control_id: str, event: str = "SIU^S12") -> bytes:
    return f"MSH|^~\\&|A|B|C|D|2026||{event}|{control_id}|P|2.5\rPID|1||7^^^A^MR".encode()


@pytest.mark.parametrize(
    ("head", "known"),
    [
        (b"MSH|^~\\&|", True), (b"FHS|^~\\&|", True), (b"BHS|", True), (b"\xef\xbb\xbfMSH|", True),
        (b"\r\n \x0bMSH$", True),
        ("MSH|".encode("utf-16"), True), (b"MSHX", False), (b"MSH", False), (b"ISA*00*", False), (b"", False),
        (b"{", False), (b"PID|1", False),
    ],
)  # fmt: skip
def test_files_are_recognized_by_their_head(head, known):
    """A header segment with a delimiter, after what may stand before it, makes HL7."""
    assert recognize(head) is known


def test_a_batch_becomes_its_messages():
    """Every MSH is one message with its offset in the file; correct envelopes leave no finding."""
    data = b"FHS|^~\\&|\rBHS|^~\\&|\r" + message("1") + b"\r" + message("2") + b"\rBTS|2\rFTS|1\r"
    found = list(items([data], 4096))
    assert [(item.control_id, item.kind, item.order_key) for item in found] == [
        ("1", "SIU^S12", "7^A"), ("2", "SIU^S12", "7^A"),
    ]  # fmt: skip
    assert all(data[item.offset :].startswith(item.body) for item in found)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_a_wide_batch_is_counted_too(codec):
    """In UTF-16 the trailer's count is compared as in one byte a character."""
    text = "BHS|^~\\&|\r" + message("1").decode() + "\rBTS|{}\r"
    for said, reasons in ((1, []), (12, ["count-mismatch"])):
        found = list(items([text.format(said).encode(codec)], 4096))
        assert [part.reason for part in found if isinstance(part, Finding)] == reasons


@pytest.mark.parametrize(
    ("data", "reasons"),
    [
        (b"BHS|^~\\&|\r" + message("1") + b"\rBTS|5\r", ["count-mismatch"]),
        (b"FHS|^~\\&|\rBHS|^~\\&|\r" + message("1"), ["unfinished", "unfinished"]),
        (b"FHS|^~\\&|\r" + message("1") + b"\rFTS|1", ["count-mismatch"]),
        (b"hello\r" + message("1"), ["no-header"]),
        (message("") + b"\r" + message("1"), ["no-control-id"]),
        (b"MSH|^~\\&|" + b"x" * 5000 + b"\r" + message("1"), ["message-too-large"]),
    ],
    ids=["count", "trailer", "batches", "junk", "header", "length"],
)
def test_what_is_wrong_with_a_file_is_a_finding_and_the_rest_goes_on(data, reasons):
    """A lying count, a missing trailer, junk and a bad header are reported; the good message is taken."""
    found = list(items([data], 4096))
    assert [part.reason for part in found if isinstance(part, Finding)] == reasons
    assert [part.control_id for part in found if isinstance(part, Item)] == ["1"]


@pytest.mark.parametrize(
    "data",
    [
        message("1"),
        message("1", "ADT") + b"\rEVN|A08",
        message("1", "ACK"),
        message("1", "ADT^^ADT_A01") + b"\rEVN|A31",
    ],
)
def test_the_kind_of_a_message_is_what_intake_saw(data):
    """Normalizing reads the same kind from the message as the peek at its header did."""
    assert kind_of(Message(data)) == peek(data).kind


@pytest.mark.parametrize(
    ("event", "kind"),
    [("ADT^A08^ADT_A01", "ADT^A08"), ("ADT_A08", "ADT_A08"), ("ZZZ^Z99", "ZZZ^Z99"), ("ORU", "ORU"),
     ("ADT^JONES", "unknown"), ("JONES^A08", "unknown"), ("ADT^a b", "unknown")],
)  # fmt: skip
def test_only_a_message_type_is_shown_as_one(event, kind):
    """The kind stands in lists that show no patient's values: three characters, and three more, or nothing of it."""
    (found,) = items([message("1", event)], 4096)
    assert found.kind == kind


def test_residue_names_what_no_rule_reads():
    """Filled places outside of the rules are named once, without envelope and segment numbers, never by value."""
    covered = frozenset({"PID-3[*].1", "PID-3[MR].1", "PID-5.1", "AIS[2]-3.1", "MSH-7"})
    residue = residue_of(covered)
    data = message("1") + b"||X^Y||19800101\rZPD|secret||b\rNTE|1||x\rNTE|2||y\rAIS|1||z"
    assert residue(Message(data)) == ("PID-7", "ZPD-1", "ZPD-3", "NTE-3")


def test_residue_never_names_a_place_by_text():
    """A line end inside a field makes a line whose first word is data: it is counted, and not told."""
    data = message("1") + b"\rNTE|1||as agreed with\rJOHN DOE|555-1234\rq|r"
    assert residue_of(frozenset())(Message(data)) == ("PID-3", "NTE-3", "???-1")


def test_residue_is_bounded():
    """A segment with a thousand fields is named as a whole, and ten thousand notes cost no more than a few."""
    data = message("1") + b"\rZZZ" + b"|x" * 1000 + b"\rNTE|1||x" * 10_000
    assert residue_of(frozenset())(Message(data)) == ("PID-3", "ZZZ", "NTE-3")
