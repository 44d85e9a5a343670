from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import MalformedEnvelope
from gateway.model.exchange import Finding
from gateway.wire.x12 import Run, Segment, SegmentReader
from gateway.wire.x12_header import ISA_LENGTH, Delimiters
from tests.unit.wire.feeding import LARGEST, assert_linear, pieces, same_in_any_pieces, truncated, with_trailing

ISA = b"ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260714*0930*^*00501*000000101*0*T*:~"
SMALL = ISA + b"\nGS*HP*A*B~\r\nST*835*0001~SE*2*0001~\nGE*1*1~IEA*1*000000101~\n"
LIMIT = 300
SMALLEST = LARGEST // 2


def parse(chunks, limit=LIMIT):
    reader = SegmentReader(limit)
    for chunk in chunks:
        yield from reader.feed(chunk)
    yield from reader.close()


def events(data: bytes):
    return same_in_any_pieces(parse, data).events


def texts(data: bytes) -> list[bytes]:
    return [event.text for event in events(data) if isinstance(event, Segment)]


def findings(data: bytes) -> list[tuple[str, str]]:
    return [(event.reason, event.where) for event in events(data) if isinstance(event, Finding)]


def test_a_header_inside_a_segment_begins_another_interchange():
    """What it cut off is told with its place and kept; text that only looks like a header is text."""
    torn = SMALL[: SMALL.index(b"*0001~SE")] + SMALL
    assert findings(torn) == [("truncated", f"segment 3, byte {SMALL.index(b'ST*')}")]
    (told,) = [one for one in events(torn) if isinstance(one, Finding)]
    assert told.body == b"ST*835"
    assert texts(torn)[-6:] == texts(SMALL)
    name = SMALL.replace(b"ST*835*0001~", b"NM1*VISA*LISA*" + b"X" * 120 + b"~")
    assert findings(name) == []
    assert len(texts(name)) == len(texts(SMALL))


def isa(element=b"*", component=b":", repetition=b"^", terminator=b"~") -> bytes:
    return ISA.replace(b"*", element)[:-2].replace(b"^", repetition) + component + terminator


def test_segments_come_out_with_number_and_place():
    """Each segment knows its ordinal and the byte where it begins, and reads as its elements."""
    found = events(SMALL)
    assert [one.text.split(b"*")[0] for one in found] == [b"ISA", b"GS", b"ST", b"SE", b"GE", b"IEA"]
    assert [one.number for one in found] == [1, 2, 3, 4, 5, 6]
    assert all(SMALL.startswith(one.text, one.offset) for one in found)
    assert found[2].elements() == ["ST", "835", "0001"]
    assert found[2].where == f"segment 3, byte {SMALL.index(b'ST*')}"


def test_pieces_joined_are_the_file_again():
    """Line breaks before a segment stay with its piece, so that bytes can be handed on exactly."""
    found = events(SMALL)
    assert b"".join(one.piece + b"~" for one in found) + b"\n" == SMALL


@pytest.mark.parametrize("mark", [b"|", b"\x1d", b"!"])
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\x1c", b"'"])
def test_delimiters_come_from_the_header(mark, end):
    """Any element separator and terminator works, a line break as terminator included."""
    data = isa(element=mark, component=b">", terminator=end) + b"GS" + mark + b"HP" + end + b"\n" + b"IEA" + mark + end
    found = events(data)
    assert [one.text[:3].rstrip(mark) for one in found] == [b"ISA", b"GS", b"IEA"]
    assert found[0].delimiters == Delimiters(element=mark, component=b">", segment=end, repetition=b"^")


def test_a_letter_in_isa11_is_no_repetition_separator():
    """Versions before 00402 had a standards id there."""
    assert Delimiters.read(isa(repetition=b"U")).repetition is None


@pytest.mark.parametrize(
    "header",
    [
        isa(element=b"A"),
        isa(component=b"7"),
        isa(terminator=b" "),
        isa(component=b"*"),
        isa(repetition=b"~"),
        isa(component=b"-"),
        isa(component=b"."),
        isa(element=b"\n"),
        isa(terminator=b"\xe9"),
        isa(terminator=b"\x00"),
    ],
)
def test_delimiters_that_could_be_data_are_refused(header):
    """Letters, digits, signs, blanks, bytes outside ASCII and doubles cannot delimit anything."""
    with pytest.raises(MalformedEnvelope):
        Delimiters.read(header)
    assert texts(header + b"GS*HP~") == []


def test_a_header_of_the_wrong_width_names_its_element():
    """An unpadded sender is told which element is short, and the next interchange is read."""
    broken = ISA.replace(b"SENDER         ", b"SENDER")
    assert findings(broken + b"GS*HP~" + SMALL) == [("malformed-header", "ISA06, byte 0")]
    assert len(texts(broken + b"GS*HP~" + SMALL)) == 6


def test_byte_order_mark_and_blanks_before_the_header_are_cosmetic():
    """What editors and mainframes put in front makes no finding."""
    assert findings(b"\xef\xbb\xbf\r\n  " + SMALL) == []
    assert texts(b"\xef\xbb\xbf\r\n  " + SMALL) == texts(SMALL)


def test_text_before_the_header_is_one_finding():
    """A mail header or a word such as VISA in front is reported once, with its bytes, and the interchange is read."""
    data = b"Dear VISA customer,\nISAAC sent this:\n" + SMALL
    (finding,) = [event for event in events(data) if isinstance(event, Finding)]
    assert (finding.reason, finding.where) == ("not-x12", "byte 0")
    assert finding.body.startswith(b"Dear VISA customer")
    assert texts(data) == texts(SMALL)


def test_several_interchanges_with_their_own_delimiters():
    """Each header starts anew; segment numbers and offsets run on through the file."""
    other = isa(element=b"|", component=b">", terminator=b"\n") + b"GS|HP\nIEA|1\n"
    data = SMALL + b"between\n" + other + SMALL
    found = [event for event in events(data) if isinstance(event, Segment)]
    assert [one.number for one in found] == list(range(1, 16))
    assert all(data.startswith(one.text, one.offset) for one in found)
    assert findings(data) == [("not-x12", f"byte {len(SMALL)}")]


def test_a_header_without_a_trailer_before_it_is_found():
    """A file cut off and another one appended, with other delimiters: the second is read by its own."""
    other = isa(element=b"|", component=b">", terminator=b"!") + b"GS|HP!IEA|1!"
    assert texts(ISA + b"GS*HP~\n" + other) == [ISA[:-1], b"GS*HP", other[:105], b"GS|HP", b"IEA|1"]


def test_words_that_begin_like_edges_are_data():
    """ISA and IEA inside a segment, and segments whose id only begins so, change nothing."""
    assert texts(ISA + b"NTE*VISA IEA*ISA~ISAX*1~IEAX*1~ISA*1~GS*HP~")[1:] == [
        b"NTE*VISA IEA*ISA",
        b"ISAX*1",
        b"IEAX*1",
        b"ISA*1",
        b"GS*HP",
    ]


def test_a_segment_too_long_is_left_out_and_the_rest_goes_on():
    """The limit is a finding with the place, and costs nothing but that segment."""
    data = ISA + b"NTE*" + b"x" * LIMIT + b"~GS*HP~IEA*0*1~"
    assert findings(data) == [("limit-exceeded", "segment 2, byte 106")]
    assert texts(data)[1:] == [b"GS*HP", b"IEA*0*1"]
    assert [one.number for one in events(data) if isinstance(one, Segment)] == [1, 3, 4]


def test_a_segment_without_terminator_at_the_end_is_truncated():
    """Bytes that no terminator closed are evidence, never a segment."""
    assert findings(ISA + b"GS*HP") == [("truncated", "segment 2, byte 106")]


def test_trailing_bytes_change_nothing_before_them():
    """What follows a whole interchange leaves its segments untouched."""
    with_trailing(parse, SMALL.rstrip(), b"\n" + SMALL)


def test_every_truncation_reads_the_same_in_any_pieces():
    """A file cut anywhere gives a prefix of its segments, and findings for the rest."""
    whole = texts(SMALL)
    for cut, got in truncated(parse, SMALL):
        found = [event.text for event in got.events if isinstance(event, Segment)]
        assert found == whole[: len(found)]
        assert len(found) == SMALL[:cut].count(b"~")


@given(
    st.lists(
        st.sampled_from(
            [
                ISA,
                b"ISA",
                b"IEA*1*1~",
                b"~",
                b"\n",
                b"*",
                b"GS*HP~",
                b"I",
                b"S",
                b"\xef\xbb\xbf",
                b"x" * 60,
                isa(element=b"|"),
                isa(terminator=b"\n"),
                b"ST*835*1~",
                b" ",
                b"|",
                b"IEA|1\n",
            ]
        ),
        max_size=14,
    ).map(b"".join)
)
def test_anything_reads_the_same_in_any_pieces(data):
    """No input makes an exception, and what is said never depends on how the bytes arrived."""
    found = same_in_any_pieces(parse, data, sizes=(1, 2, 5, 107))
    assert found.error is None
    assert all(data.startswith(one.text, one.offset) for one in found.events if isinstance(one, Segment))


def flat(data: bytes, size: int) -> list[tuple[bytes, int] | Finding]:
    """What a reader with segments apart says, its runs taken to pieces."""
    reader, out = SegmentReader(LIMIT, apart=frozenset({b"GS", b"CLP", b"IEA"})), []
    for event in [one for chunk in pieces(data, size) for one in reader.feed(chunk)] + reader.close():
        if isinstance(event, Run):
            out += [(piece.lstrip(), event.number + at) for at, piece in enumerate(event.pieces)]
        else:
            out.append((event.text, event.number) if isinstance(event, Segment) else event)
    return out


@given(
    st.lists(
        st.sampled_from(
            [
                ISA,
                b"IEA*1*1~",
                b"~",
                b"\n",
                b"GS*HP~",
                b"CLP*1~",
                b"CLP~",
                b"CLPX*1~",
                b"NTE*GS*1~",
                b"NTE*" + b"x" * LIMIT,
                b"\nCAS*1~",
                b"SVC*1*2~",
                b" ",
                isa(terminator=b"\n"),
            ]
        ),
        max_size=14,
    ).map(lambda parts: ISA + b"".join(parts)),
    st.sampled_from([1, 5, 64, 4096]),
)
def test_segments_apart_change_nothing_but_the_packing(data, size):
    """Runs hold exactly the segments, numbers and findings of a reading one by one, however the bytes arrived."""
    plain = same_in_any_pieces(parse, data, sizes=(1,)).events
    assert flat(data, size) == [(one.text, one.number) if isinstance(one, Segment) else one for one in plain]


@given(st.binary(max_size=400))
def test_any_bytes_read_the_same_in_any_pieces(data):
    """Random bytes after a header, too."""
    same_in_any_pieces(parse, ISA + data, sizes=(1, 3))


def test_public_files_read_the_same_in_any_pieces(corpora):
    """Every sample, the broken ones included, reads alike whole and byte by byte."""
    files = [path for path in (corpora / "x12").rglob("*") if path.is_file()]
    assert len(files) > 50
    for path in files:
        assert same_in_any_pieces(lambda chunks: parse(chunks, 65536), path.read_bytes(), sizes=(1, 4096)).error is None


@pytest.mark.parametrize(
    "unit",
    [
        b"ISA",
        b"ISA*",
        b"~",
        b"\n",
        b"A",
        ISA,
        b"IEA~",
        b"ISA~",
        b"\nISA*~",
        b"IEA*~" + ISA,
        b"CLP*1*2~\n",
        b" ",
        b"\0",
        b"*",
    ],
)
def test_time_is_linear_in_hostile_shapes(unit):
    """Twice the bytes take at most 2.3 times as long, whatever is repeated after a header."""

    def read(data: bytes) -> None:
        reader = SegmentReader()
        for chunk in pieces(data, 64 * 1024):
            reader.feed(chunk)
        reader.close()

    assert_linear(read, lambda size: ISA + unit * ((size - ISA_LENGTH) // len(unit)), smallest=SMALLEST)
    assert_linear(read, lambda size: unit * (size // len(unit)), smallest=SMALLEST)
