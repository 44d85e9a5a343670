from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import MalformedEnvelope
from gateway.wire.mllp import Decoder, Junk, Oversized, Unfinished, encode
from tests.unit.wire.feeding import assert_linear, same_in_any_pieces, truncated, with_trailing

LIMIT = 64


def parse(chunks, limit=LIMIT):
    decoder = Decoder(limit)
    for chunk in chunks:
        yield from decoder.feed(chunk)
    yield from decoder.close()


def events(data: bytes) -> tuple[object, ...]:
    return same_in_any_pieces(parse, data).events


def test_frames_come_out_in_order():
    """Frames of one packet come out one by one, however the packet was cut."""
    assert events(encode(b"one") + encode(b"two") + b"\r\n" + encode(b"")) == (b"one", b"two", b"")


def test_lone_end_byte_is_content():
    """0x1C inside a field is content; only 0x1C 0x0D ends a frame."""
    assert events(encode(b"a\x1cb\x1c\x1c")) == (b"a\x1cb\x1c\x1c",)


def test_junk_between_frames_is_counted():
    """Bytes outside of frames are reported by their number, line ends are not counted."""
    assert events(b"xx\r\n" + encode(b"a") + b"yyy") == (Junk(2), b"a", Junk(3))


def test_trailing_bytes_change_nothing_before_them():
    """A frame is read alike whatever follows it."""
    assert with_trailing(parse, encode(b"a"), b"\x0bMSH").events == (b"a", Unfinished(b"MSH"))


def test_every_truncation_is_reported():
    """A stream cut anywhere yields no frame that is not whole."""
    for cut, got in truncated(parse, encode(b"abc")):
        assert got.events == (() if cut == 0 else (Unfinished(b"abc\x1c"[: cut - 1]),))


def test_message_that_begins_inside_a_frame_is_not_swallowed():
    """A sender that broke off and began anew gets its second message through, and the first is reported."""
    assert events(b"\x0bMSH|1" + encode(b"MSH|2")) == (Unfinished(b"MSH|1"), b"MSH|2")


def test_oversized_frame_is_skipped_and_the_next_is_read():
    """A frame above the limit is reported by its head, never gathered, and the stream goes on."""
    exact, long = b"x" * LIMIT, b"y" * (LIMIT + 1)
    data = encode(exact) + encode(long) + encode(b"z" * 500 + b"\x1c") + encode(b"after")
    assert events(data) == (exact, Oversized(b"y" * LIMIT), Oversized(b"z" * LIMIT), b"after")


def test_frame_without_end_holds_bounded_memory():
    """A frame that never ends costs no more memory than the limit and one chunk."""
    decoder = Decoder(LIMIT)
    for _ in range(1000):
        decoder.feed(b"\x0b" + b"x" * 100)
    assert len(decoder._held) <= 1


def test_encoder_refuses_what_would_be_cut():
    """A message that holds the end of a frame is not sent."""
    with pytest.raises(MalformedEnvelope) as caught:
        encode(b"a\x1c\rb")
    assert caught.value.reason == "end-block-inside"


@given(st.lists(st.sampled_from([b"\x0b", b"\x1c", b"\r", b"MSH", b"x", b"\x1c\r", b"\x0bMSH", b"y" * 40])))
def test_any_bytes_read_alike_in_any_pieces(parts):
    """No input makes the decoder fail or depend on how the bytes arrive."""
    same_in_any_pieces(parse, b"".join(parts), sizes=(1, 2, 5))


@pytest.mark.parametrize(
    "shape",
    [b"\x0bx\x1c\r", b"\x0b", b"\x1c", b"\r", b"x", b"\x0bMSH"],
    ids=["frames", "starts", "ends", "returns", "junk", "restarts"],
)
def test_time_is_linear(shape):
    """Hostile streams cost twice the time for twice the bytes."""

    def work(data):
        return list(parse((data[at : at + 4096] for at in range(0, len(data), 4096)), limit=len(data)))

    def begun(size):
        return b"\x0b" + shape * (size // len(shape)) + b"\x1c\r"

    assert_linear(work, begun)
