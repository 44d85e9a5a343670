from __future__ import annotations

from gateway.model.exchange import Finding
from gateway.wire.x12 import SegmentReader
from gateway.wire.x12_envelope import Envelope

ISA = b"ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260714*0930*^*00501*000000101*0*T*:~"


def checked(rest: bytes) -> list[tuple[str, str]]:
    """What is wrong with the envelopes, as (reason, sentence)."""
    envelope, found = Envelope(), []
    reader = SegmentReader()
    for event in [*reader.feed(ISA + rest), *reader.close()]:
        assert not isinstance(event, Finding)
        found += envelope.take(event, event.elements())
    return [(one.reason, one.what) for one in [*found, *envelope.close()]]


def test_envelopes_that_agree_are_silent():
    """Control numbers that match and counts that are right make no finding."""
    assert checked(b"GS*HP*A*B*2*3*7~ST*835*1~SE*2*1~ST*835*2~LX*1~SE*3*2~GE*2*7~IEA*1*000000101~") == []


def test_each_count_and_control_number_is_compared():
    """SE01, SE02, GE01, GE02, IEA01 and IEA02 are told apart, and none hides another."""
    assert checked(b"GS*HP*A*B*2*3*7~ST*835*1~SE*9*8~GE*5*6~IEA*4*000000102~") == [
        ("count-mismatch", "SE01 says 9, 2 were counted"),
        ("control-number-mismatch", "SE02 differs from ST02"),
        ("count-mismatch", "GE01 says 5, 1 were counted"),
        ("control-number-mismatch", "GE02 differs from GS06"),
        ("count-mismatch", "IEA01 says 4, 1 were counted"),
        ("control-number-mismatch", "IEA02 differs from ISA13"),
    ]


def test_a_count_that_is_no_number_is_not_repeated():
    """A finding never carries text from the file."""
    assert checked(b"GS*HP*A*B*2*3*7~ST*835*1~SE*JANE DOE*1~GE*1*7~IEA*1*000000101~") == [
        ("count-mismatch", "SE01 says no number, 2 were counted")
    ]


def test_a_count_that_is_longer_than_a_count_is_not_repeated():
    """What slipped into a count (a date, a telephone number, a member) is told by its length alone."""
    for slipped in ("05550100", "1234567890"):
        assert checked(f"GS*HP*A*B*2*3*7~ST*835*1~SE*{slipped}*1~GE*1*7~IEA*1*000000101~".encode()) == [
            ("count-mismatch", f"SE01 says a number of {len(slipped)} digits, 2 were counted")
        ]
    assert checked("GS*HP*A*B*2*3*7~ST*835*1~SE*\u0662*1~GE*1*7~IEA*1*000000101~".encode()) == [
        ("count-mismatch", "SE01 says no number, 2 were counted")
    ]


def test_missing_trailers_are_found_where_they_are_missed():
    """Each envelope that something else ends is named by the place of its header."""
    assert checked(b"GS*HP*A*B*2*3*7~ST*835*1~GE*1*7~") == [
        ("missing-trailer", "the transaction of segment 3, byte 122 has no trailer"),
        ("missing-trailer", "the interchange of segment 1, byte 0 has no trailer"),
    ]
    assert [reason for reason, _ in checked(b"GS*HP~ST*835*1~ST*835*2~" + ISA)] == ["missing-trailer"] * 5


def test_trailers_without_headers_are_found():
    """A trailer that closes nothing, and a transaction outside a group, are findings."""
    assert checked(b"SE*1*1~GE*1*7~ST*835*1~SE*2*1~IEA*0*000000101~") == [
        ("missing-header", "SE without ST before it"),
        ("missing-header", "GE without GS before it"),
        ("missing-header", "ST without GS before it"),
    ]
