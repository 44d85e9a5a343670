from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.hl7_batch import Piece, cut
from tests.unit.wire.feeding import MIB, assert_linear, same_in_any_pieces, truncated, with_trailing

ONE, TWO = b"MSH|^~\\&|A|1\rPID|1", b"MSH|^~\\&|A|2\rPID|2"
BATCH = b"FHS|^~\\&|A\rBHS|^~\\&|B\r" + ONE + b"\r" + TWO + b"\rBTS|2\rFTS|1\r"


def parse(chunks):
    return cut(chunks, 4096)


def pieces(data: bytes) -> list[tuple[str, bytes]]:
    found = same_in_any_pieces(parse, data).events
    for piece in found:
        assert isinstance(piece, Piece)
        assert data[piece.offset :].startswith(piece.body)
    return [(piece.name, piece.body) for piece in found]


def test_batch_is_cut_into_envelope_and_messages():
    """FHS, BHS, messages, BTS and FTS come out in order with their offsets."""
    assert pieces(BATCH) == [
        ("FHS", b"FHS|^~\\&|A"),
        ("BHS", b"BHS|^~\\&|B"),
        ("MSH", ONE),
        ("MSH", TWO),
        ("BTS", b"BTS|2"),
        ("FTS", b"FTS|1"),
    ]


@pytest.mark.parametrize("before", [b"", b"\r\n  ", b"\xef\xbb\xbf", b"\x0b"])
@pytest.mark.parametrize("between", [b"\r", b"\n", b"\r\n\r\n", b"\x1c\r\x0b", b"\r\xef\xbb\xbf"])
def test_messages_are_found_whatever_stands_between(before, between):
    """Line ends, blank lines, MLLP framing and byte order marks separate messages without becoming part of them."""
    assert pieces(before + ONE + between + TWO + b"\x1c\r") == [("MSH", ONE), ("MSH", TWO)]


def test_bytes_before_the_first_message_are_reported():
    """What is no HL7 comes out as a piece without a name."""
    assert pieces(b"hello\r" + ONE) == [("", b"hello"), ("MSH", ONE)]
    assert pieces(b"hello") == [("", b"hello")]
    assert pieces(b"\r\n ") == pieces(b"") == []


def test_names_inside_fields_are_content():
    """A segment name ends a message only at the begin of a line and with a delimiter after it."""
    data = b"MSH|^~\\&|MSH|\rNTE|1||see MSH|x\rMSHX|\rZZZ|1"
    assert pieces(data) == [("MSH", data)]


def test_trailer_without_fields_is_seen():
    """BTS and FTS may stand bare, at the very end too."""
    assert [name for name, _ in pieces(ONE + b"\rBTS\rFTS")] == ["MSH", "BTS", "FTS"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_two_byte_files_are_cut(encoding):
    """A UTF-16 file is cut at the same places."""
    data = BATCH.decode().encode(encoding)
    found = same_in_any_pieces(parse, data).events
    assert [piece.name for piece in found] == ["FHS", "BHS", "MSH", "MSH", "BTS", "FTS"]
    plain = "utf-16-le" if encoding == "utf-16" else encoding
    assert found[2].body.decode(plain).rstrip("\r") == ONE.decode()


def test_oversized_message_is_skipped_and_the_next_is_read():
    """A message above the limit comes out as its head, the messages after it whole."""
    data = ONE + b"\r" + b"MSH|" + b"x" * 9000 + b"\r" + TWO
    found = same_in_any_pieces(parse, data).events
    assert [(piece.name, piece.oversized, len(piece.body)) for piece in found] == [
        ("MSH", False, len(ONE)),
        ("MSH", True, 4096),
        ("MSH", False, len(TWO)),
    ]


def test_trailing_and_truncated():
    """What was cut stays cut whatever follows, and a truncated file yields the begin of the same pieces."""
    with_trailing(parse, ONE + b"\r" + TWO + b"\rFTS|1", b"\r" + ONE)
    for at, got in truncated(parse, BATCH, step=5):
        whole = b"".join(piece.body for piece in got.events)
        assert whole.replace(b"\r", b"") == BATCH[:at].replace(b"\r", b"")


def test_memory_is_bounded():
    """A file without end of its only message costs a few chunks of memory, not its length."""
    tracemalloc.start()
    try:
        for _ in cut((b"x" * 65536 for _ in range(64 * MIB // 65536)), 65536):
            pass
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


PARTS = [
    b"MSH|",
    b"\r",
    b"\n",
    b"FHS|",
    b"BTS",
    b"x",
    b"\xef\xbb\xbf",
    b"\x0b",
    b"\0",
    b"\xff\xfe",
    b"M\0S\0H\0|\0",
    b"y" * 30,
]


@given(st.lists(st.sampled_from(PARTS)))
def test_any_bytes_are_cut_alike_in_any_pieces(parts):
    """No input makes the cutter fail or depend on how the bytes arrive."""
    same_in_any_pieces(lambda chunks: cut(chunks, 64), b"".join(parts), sizes=(1, 2, 5))


@pytest.mark.parametrize("unit", [b"MSH|\r", b"\rMSH|", b"\r", b"\rMS", b"x", b"\rBTS|1", b"\0", b" "])
def test_time_is_linear(unit):
    """Hostile files cost twice the time for twice the bytes."""

    def work(data):
        for _ in cut((data[at : at + 4096] for at in range(0, len(data), 4096)), len(data)):
            pass

    assert_linear(work, lambda size: unit * (size // len(unit)))
