"""Files of every transaction set, and files that are broken in every way senders know."""

from __future__ import annotations

import pytest

from gateway.model.exchange import Finding, Item
from gateway.wire.x12_cut import cut, is_x12

ISA = "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260714*0930*^*00501*000000101*0*T*:~"
CLAIMS = (
    "GS*HC*S*R*20260714*0930*1*X*005010X222A1~ST*837*0001~BHT*0019*00*B1*20260714*0930*CH~"
    "HL*1**20*1~NM1*85*2*CLINIC~HL*2*1*22*0~SBR*P~NM1*IL*1*DOE*JANE****MI*M1~CLM*A*10~LX*1~SV1*HC:97110*10*UN*1~"
    "HL*3*1*22*0~SBR*P~NM1*IL*1*ROE*JIM****MI*M2~CLM*B*20~LX*1~SV1*HC:97110*20*UN*1~SE*17*0001~GE*1*1~"
)
ANSWERS = (
    "GS*HB*S*R*20260714*0930*2*X*005010X279A1~ST*271*0001~BHT*0022*11*Q1*20260714*0930~HL*1**20*1~NM1*PR*2*PLAN~"
    "HL*2*1*21*1~NM1*1P*2*CLINIC~HL*3*2*22*0~NM1*IL*1*DOE*JANE****MI*M1~EB*1**30~SE*10*0001~GE*1*2~"
)
PAYMENT = (
    "GS*HP*S*R*20260714*0930*3*X*005010X221A1~ST*835*0001~BPR*I*10*C*ACH~TRN*1*T1*1999999999~LX*1~"
    "CLP*A*1*10*10~NM1*QC*1*DOE*JANE****MI*M1~SE*7*0001~GE*1*3~"
)
TAIL = "IEA*3*000000101~"
MIXED = ISA + CLAIMS + ANSWERS + PAYMENT + TAIL
KINDS = ["837 claim", "837 claim", "271 benefit", "835 claim", "835 remittance"]


def parts(data: str | bytes, size: int = 65536) -> tuple[list[Item], list[Finding]]:
    """Messages and findings."""
    data = data.encode() if isinstance(data, str) else data
    found = list(cut((data[at : at + size] for at in range(0, len(data), size)), 65536))
    return [one for one in found if isinstance(one, Item)], [one for one in found if isinstance(one, Finding)]


def kinds(data: str | bytes) -> list[str]:
    """The kinds of a file's messages."""
    return [item.kind for item in parts(data)[0]]


def reasons(data: str | bytes) -> list[str]:
    """Reasons of a file's findings."""
    return [one.reason for one in parts(data)[1]]


def test_one_file_may_hold_every_set():
    """Groups of three sets in one interchange, and another interchange behind it, are all cut."""
    assert (kinds(MIXED), reasons(MIXED)) == (KINDS, [])
    assert kinds(MIXED + MIXED.replace("000000101", "000000102")) == KINDS * 2


@pytest.mark.parametrize("size", [1, 2, 7, 106, 107])
def test_chunks_make_no_difference(size):
    """A file that comes byte by byte gives the same messages."""
    whole, pieces = parts(MIXED)[0], parts(MIXED, size)[0]
    assert [(one.body, one.context, one.control_id, one.offset) for one in pieces] == [
        (one.body, one.context, one.control_id, one.offset) for one in whole
    ]


def test_each_message_is_of_one_patient_at_its_place():
    """No message names two patients, no context any, and the offset leads to the claim."""
    items, _ = parts(MIXED)
    for item in items:
        assert (b"DOE" in item.body) + (b"ROE" in item.body) <= 1
        assert b"DOE" not in item.context
        assert b"ROE" not in item.context
    assert MIXED[items[1].offset :].startswith("CLM*B*20")
    assert items[0].order_key == items[2].order_key == "M1"


@pytest.mark.parametrize(("broken", "reason", "where"), [
    (MIXED.replace("SE*17*", "SE*14*"), "count-mismatch", "segment 19, byte "),
    (MIXED.replace("GE*1*2", "GE*2*2"), "count-mismatch", "segment 32, byte "),
    (MIXED.replace("IEA*3*", "IEA*9*"), "count-mismatch", "segment 42, byte "),
    (MIXED.replace("GE*1*1~", "GE*1*8~"), "control-number-mismatch", "segment 20, byte "),
    (MIXED.replace("SE*10*0001", "SE*10*0002"), "control-number-mismatch", "segment 31, byte "),
    (MIXED.replace(TAIL, "IEA*3*000000999~"), "control-number-mismatch", "segment 42, byte "),
    ("\ufeff" + MIXED, None, ""),
    ("FILE FOLLOWS\n" + MIXED, "not-x12", "byte 0"),
    (MIXED.replace("~", "\n"), None, ""),
    (MIXED.replace("~", "\r\n"), None, ""),
    (MIXED.replace("~", "~\r\n"), None, ""),
    (MIXED + ISA + PAYMENT + "IEA*1*000000101~", None, ""),
    (MIXED.replace(TAIL, "") + MIXED, "missing-trailer", "segment 42, byte "),
])  # fmt: skip
def test_a_broken_envelope_is_told_by_its_place_and_the_rest_is_read(broken, reason, where):
    """Counts, control numbers, marks before the header, line ends and glued files: one finding, every message."""
    items, findings = parts(broken)
    assert [item.kind for item in items][: len(KINDS)] == KINDS
    assert [one.reason for one in findings] == ([reason] if reason else [])
    assert all(one.where.startswith(where) for one in findings)


def test_the_end_of_a_truncated_file_is_a_finding_and_what_came_before_is_read():
    """Wherever a file is cut off, whole claims are kept and what is not whole is evidence, not a message."""
    whole = {item.body for item in parts(MIXED)[0]}
    for end in range(len(ISA) + 40, len(MIXED) - len(TAIL), 3):
        items, findings = parts(MIXED[:end])
        assert {item.body for item in items} <= whole
        assert findings
    items, findings = parts(MIXED[: MIXED.index("CLM*B")])
    assert [item.body.count(b"CLM*A") for item in items] == [1]
    assert "truncated" in {one.reason for one in findings}


def test_a_file_cut_off_before_another_loses_only_what_was_cut():
    """Wherever the first is cut, inside a segment too, the second is whole and under its own numbers."""
    second = MIXED.replace("000000101", "000000102")
    expected = [(item.control_id, item.body) for item in parts(second)[0]]
    whole = {item.body for item in parts(MIXED)[0]}
    for end in range(len(ISA) + 40, len(MIXED) - len(TAIL), 3):
        items, findings = parts(MIXED[:end] + second)
        assert [(item.control_id, item.body) for item in items[-len(expected) :]] == expected
        assert {item.body for item in items[: -len(expected)]} <= whole
        assert findings


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_told_with_its_cure(encoding):
    """One finding for the file; it is recognised as X12 so that it comes to be told."""
    data = MIXED.encode(encoding)
    assert is_x12(data[:4096])
    (found,) = parts(data)[1]
    assert (found.reason, parts(data)[0]) == ("wrong-encoding", [])
    assert "UTF-8" in found.fix


def test_a_file_without_header_is_no_x12():
    """Segments alone are evidence."""
    assert kinds(CLAIMS) == []
    assert reasons(CLAIMS) == ["not-x12"]
    assert not is_x12(CLAIMS.encode())


def test_a_patient_too_large_is_a_finding_and_the_next_is_read():
    """The limit holds for each message alone."""
    big = MIXED.replace("SV1*HC:97110*10*UN*1~", "SV1*HC:97110*10*UN*1~" * 4000)
    items, findings = parts(big)
    assert [item.kind for item in items] == KINDS[1:]
    assert "limit-exceeded" in {one.reason for one in findings}


def test_levels_that_every_claim_would_repeat_are_bounded():
    """A long subscriber level with many claims does not make messages far larger than the file."""
    crowded = MIXED.replace("SBR*P~NM1*IL*1*DOE", "SBR*P~" + "REF*SY*1~" * 2000 + "NM1*IL*1*DOE", 1)
    items, findings = parts(crowded.replace("CLM*A*10~", "CLM*A*10~" * 500, 1))
    assert [item.kind for item in items] == KINDS[1:]
    assert [one.reason for one in findings].count("limit-exceeded") == 500
    assert sum(len(one.body) for one in findings) < 500 * 4097


def test_interchange_acknowledgements_stand_between_header_and_trailer():
    """A TA1 is a message of its own, beside a group or without one."""
    ta1 = ISA + "TA1*000000007*260714*0930*A*000~" + "IEA*0*000000101~"
    assert (kinds(ta1), reasons(ta1)) == (["TA1 acknowledgement"], [])


def test_a_transaction_about_no_patient_is_one_message():
    """Levels without a patient, or none at all, are kept whole."""
    empty = ISA + "GS*HB*S*R*20260714*0930*2*X*005010X279A1~ST*271*0001~BHT*0022*11*Q1~HL*1**20*0~AAA*N**42*R~"
    empty += "SE*5*0001~GE*1*2~IEA*1*000000101~"
    (item,), findings = parts(empty)
    assert (item.kind, findings) == ("271 transaction", [])
    assert item.body.startswith(b"ST*271")
    assert item.body.endswith(b"SE*5*0001~")
