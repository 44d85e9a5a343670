"""Calendars: read the same however they are folded and cut; what is wrong inside of one part costs that part."""

from __future__ import annotations

from codecs import BOM_UTF8

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import MalformedEnvelope
from gateway.wire.ical import Broken, Component, Limits, Property, Reader, read_line, text
from tests.unit.wire.feeding import assert_linear, reading, same_in_any_pieces, truncated

HEAD, TAIL = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\n", b"END:VCALENDAR\r\n"
ONE = b'BEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID="America/Chicago":20260715T090000\r\nEND:VEVENT\r\n'
CUT = {"cut-off", "not-a-content-line", "end-without-begin"}
LETTERS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60)


def parse(chunks, limits: Limits | None = None):
    """Parts of a calendar, and at the end whether it was complete and its own properties."""
    reader = Reader(limits or Limits())
    for chunk in chunks:
        yield from reader.feed(chunk)
    yield from reader.close()
    yield (reader.complete, [one.name for one in reader.heading])


def parts(*inner: bytes, **limits: int) -> list[Component | Broken]:
    def limited(chunks):
        return parse(chunks, Limits(**limits))

    return list(same_in_any_pieces(limited, HEAD + b"".join(inner) + TAIL).events[:-1])


def folded(line: str, at: int) -> bytes:
    """A line cut every ``at`` bytes, within letters too."""
    data = line.encode()
    return b"\r\n ".join(data[n : n + at] for n in range(0, len(data), at)) + b"\r\n"


def test_a_part_is_given_whole_with_its_own_bytes() -> None:
    """Name, properties, inner components, exact bytes and place."""
    alarm = b"BEGIN:VALARM\nTRIGGER:-PT15M\nEND:VALARM\n"
    body = b"begin:vevent\r\nuid:1\r\n" + alarm + b"summary:x\r\nEND:VEVENT\r\n"
    (found,) = parts(body)
    assert isinstance(found, Component)
    assert (found.body, found.line, found.offset) == (body, 4, len(HEAD))
    assert [(one.name, one.value) for one in found.properties] == [("UID", "1"), ("SUMMARY", "x")]
    assert [(one.name, one.properties[0].value) for one in found.components] == [("VALARM", "-PT15M")]


def test_a_mark_of_the_byte_order_is_no_part_of_a_calendar() -> None:
    """UTF-8 files of some programs begin with one; later on it is a fault of its line."""
    for cut in range(5):
        data = BOM_UTF8 + HEAD + ONE + TAIL
        (event, (complete, _)) = parse([data[:cut], data[cut:]])
        assert (event.body, complete) == (ONE, True)
    (event, _) = parse([HEAD + ONE.replace(b"UID", BOM_UTF8 + b"UID") + TAIL])
    assert event.reason == "not-a-content-line"


@given(LETTERS, LETTERS.filter(lambda one: '"' not in one), st.integers(1, 75))
def test_any_value_survives_folding_anywhere(value: str, named: str, at: int) -> None:
    """A fold may cut a letter in two; parameters and values come back as they were."""
    quoted = named.replace("^", "^^")
    body = b"BEGIN:VEVENT\r\n" + folded(f'X-A;CN="{quoted}",b:{value}', at) + b"END:VEVENT\r\n"
    (found, _) = parse([HEAD + body + TAIL])
    assert found.properties == (Property("X-A", {"CN": (named, "b")}, value),)


@given(st.text("ab,;\\\n", max_size=20))
def test_text_is_escaped_and_read_back(value: str) -> None:
    """What a writer escapes is read as it was."""
    written = value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")
    assert text(written) == value


@pytest.mark.parametrize(
    "line", ["", ":", "A", "A;", "A;B", "A;B=", 'A;B="c', 'A;B=c"d":e', "A;B=c;:", "Ä:1", ";A=b:c", "A;B=\x01:c"]
)
def test_what_is_no_content_line_is_refused_without_its_text(line: str) -> None:
    """The error says nothing of the line."""
    with pytest.raises(ValueError, match=r"^not a content line$"):
        read_line(line)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"BEGIN:VEVENT\r\nUID 2\r\nEND:VEVENT\r\n", "not-a-content-line"),
        (b"BEGIN:VEVENT\r\nX:\xff\r\nEND:VEVENT\r\n", "not-a-content-line"),
        (b"BEGIN:VEVENT\r\nUID:2\r\n", "not-ended"),
        (b"BEGIN:VEVENT\r\nBEGIN:VALARM\r\nEND:VEVENT\r\n", "not-ended"),
        (b"BEGIN:VEVENT\r\nEND:VTODO\r\nEND:VEVENT\r\n", "end-without-begin"),
        (b"BEGIN:VEVENT\r\nX:" + b"y" * 200 + b"\r\nEND:VEVENT\r\n", "line-too-long"),
        (b"BEGIN:VEVENT\r\n" + b"X:y\r\n" * 20 + b"END:VEVENT\r\n", "part-too-large"),
        (b"BEGIN:VEVENT\r\n" + b"BEGIN:X\r\n" * 5 + b"END:X\r\n" * 5 + b"END:VEVENT\r\n", "part-too-large"),
        (b"END:VEVENT\r\n", "end-without-begin"),
        (b"nonsense\r\n", "not-a-content-line"),
    ],
)
def test_a_broken_part_costs_itself_only(broken: bytes, reason: str) -> None:
    """The parts before and behind are read, and the broken one is evidence."""
    found = parts(ONE, broken, ONE, line_bytes=100, lines=16)
    assert [type(one) for one in found] == [Component, Broken, Component]
    assert isinstance(found[1], Broken)
    assert (found[1].reason, found[1].body[:8]) == (reason, broken[:8])


def test_only_a_calendar_that_ends_is_complete() -> None:
    """Cut anywhere, it is not complete, and a part that is cut is told."""
    data = HEAD + ONE + ONE + TAIL
    for cut, got in truncated(parse, data, 7):
        if got.error is not None:
            assert cut < len(b"BEGIN:VCALENDAR")
            continue
        *found, (complete, _) = got.events
        assert not complete or cut >= len(data) - 2
        assert all(isinstance(one, Component) or one.reason in CUT for one in found)
    assert reading(parse, [data]).events[-1] == (True, ["VERSION", "PRODID"])


@pytest.mark.parametrize("data", [b"", b"<html>", b"BEGIN:VEVENT\r\n", b"\xff" * 9, b"VERSION:2.0\r\n"])
def test_what_is_no_calendar_is_refused(data: bytes) -> None:
    """An error page is no calendar without events."""
    with pytest.raises(MalformedEnvelope):
        list(parse([data]))


@pytest.mark.parametrize("line", [b"X:y\r\n", b" folded\r\n", b"BEGIN:A\r\n", b"END:A\r\n", b"x", b"\n"])
def test_time_grows_with_the_bytes(line: bytes) -> None:
    """No shape of input costs more than its length."""
    assert_linear(
        lambda data: list(parse([data])), lambda size: HEAD + b"BEGIN:VEVENT\r\n" + line * (size // len(line))
    )
