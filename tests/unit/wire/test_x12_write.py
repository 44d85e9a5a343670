"""What is written has the form that the standard fixes, and no value can break out of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidContent
from gateway.model.exchange import Finding
from gateway.wire.x12 import Segment, SegmentReader
from gateway.wire.x12_envelope import Envelope as Follower
from gateway.wire.x12_header import Delimiters
from gateway.wire.x12_write import MAX_CONTROL, Envelope, TransactionSet, interchange, number, period, plain

ENVELOPE = Envelope(sender="US", receiver="THEM", control=7, made=datetime(2026, 7, 14, 9, 30, tzinfo=UTC))


def findings(data: bytes) -> list[Finding]:
    """What our own readers say about envelope and counts."""
    reader, follower = SegmentReader(), Follower()
    found: list[Finding] = []
    for event in (*reader.feed(data), *reader.close()):
        if isinstance(event, Segment):
            found += follower.take(event, event.elements())
        elif isinstance(event, Finding):
            found.append(event)
    return found + follower.close()


def one(*body: tuple[str, ...]) -> TransactionSet:
    return TransactionSet(id="270", version="005010X279A1", body=body)


def test_the_header_has_106_characters_and_names_its_delimiters():
    """A reader that knows nothing but the header's form reads the rest, whatever the delimiters are."""
    marks = Delimiters(element=b"|", component=b">", segment=b"!", repetition=b"%")
    data = interchange(msgspec.structs.replace(ENVELOPE, delimiters=marks), [one(("EQ", "PT"))])
    assert Delimiters.read(data[:106]) == marks
    assert data[105:107] == b"!G"
    assert findings(data) == []


def test_counts_and_control_numbers_close_what_they_opened():
    """Two kinds of set make two groups; every trailer agrees with its header."""
    data = interchange(ENVELOPE, [one(("EQ", "PT")), one(("EQ", "30")), TransactionSet(id="835", version="V", body=())])
    assert findings(data) == []
    assert b"GE*2*7~GS*HP*US*THEM*20260714*0930*8*X*V~ST*835*0001~SE*2*0001~GE*1*8~IEA*2*000000007~" in data


VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="*:~^"), max_size=20)


@given(st.lists(st.lists(VALUES, min_size=1, max_size=5), max_size=5))
def test_whatever_can_be_written_reads_back(rows):
    """Every value without a delimiter survives; only empty elements at a segment's end are gone."""
    body = tuple(("REF", "ZZ", *row) for row in rows)
    data = interchange(ENVELOPE, [one(*body)])
    reader = SegmentReader()
    read = [event.elements() for event in (*reader.feed(data), *reader.close()) if isinstance(event, Segment)]
    expected = [list(segment) for segment in body]
    for segment in expected:
        while not segment[-1]:
            segment.pop()
    assert read[3:-3] == expected


@given(st.text(max_size=40))
def test_plain_text_can_always_be_written(text):
    """Names of any script, with any marks, are cut to what X12 carries and never refused."""
    assert interchange(ENVELOPE, [one(("NM1", "IL", plain(text, 20)))])
    assert len(plain(text, 20)) <= 20


@pytest.mark.parametrize("value", ["a*b", "a~b", "a:b", "a\nb", "é", "\x00"])
def test_a_value_that_would_break_the_form_is_refused_with_its_place(value):
    """The error names segment and element, never the value."""
    with pytest.raises(InvalidContent) as caught:
        interchange(ENVELOPE, [one(("REF", "G1", value))])
    assert caught.value.where == "REF02, segment 4"
    assert value not in str(caught.value).replace("a ", "")


@pytest.mark.parametrize(
    "fields", [{"control": 0}, {"control": MAX_CONTROL + 1}, {"sender": "x" * 16}, {"receiver": ""}]
)
def test_a_header_that_cannot_be_is_refused(fields):
    """Control numbers have nine digits, ids fifteen characters."""
    with pytest.raises(InvalidContent):
        interchange(msgspec.structs.replace(ENVELOPE, **fields), [])


def test_amounts_and_dates_have_the_standards_form():
    """No trailing zeros, no thousands separators, no exponents; one day is D8, several are RD8."""
    assert [number(Decimal(text)) for text in ("250.00", "-10.50", "0.00", "1E+3")] == ["250", "-10.5", "0", "1000"]
    assert period(date(2026, 7, 1), None) == ("D8", "20260701")
    assert period(date(2026, 7, 1), date(2026, 7, 2)) == ("RD8", "20260701-20260702")
    assert plain("Müller-O'Neill *x", 30) == "MULLER-O'NEILL X"
