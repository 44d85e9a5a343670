"""Inputs that no honest system sends, made of sound ones."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

HOSTILE = (
    b"", b"\0", b"\r", b"\n", b'"', b"\xff\xfe", b"\xef\xbb\xbf", b"\x1c\r", b"\x0b", b"~", b"\\X",
    b"[" * 4000, b"[" * 2500, b'["a",1e999,"","x"]',
    b'{"a":' * 4000, b"9" * 5000, b"-1", b"1e999", b"NaN", b"\xd9\xa3\xd9\xa4", b"\xc2\xb2", b'"\\ud800"', b"\x85",
    b"null", b"{}", b"[]", b"true", b"|" * 3000, b"*" * 3000, b",,\r,,", b"0001-01-01", b"9999-12-31T23:59:59-23:59",
    b"20261399", b"Zebulonqx", b"'" * 50, b"%00%ff", b"&" * 300, b"%s%n", b"\xe2\x80\xa8", b"\x1a",
)  # fmt: skip
"""Depth, length, digits that are none, times at the ends of the calendar, marks of every format in the wrong place."""
_GREATEST = 48 * 1024


def planted(seed: bytes) -> Iterator[bytes]:
    """The hostile pieces, each alone, before, behind and within a sound input, and in place of a piece of it."""
    middle = len(seed) // 2
    quoted = seed.find(b":") + 1 or middle
    for piece in HOSTILE:
        yield piece
        yield seed[:1] + piece
        yield piece + seed
        yield seed + piece
        yield seed[:middle] + piece + seed[middle:]
        yield seed[:quoted] + piece + seed[quoted + 3 :]


@st.composite
def mutations(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A sound input after some cuts, repeats, exchanges and insertions."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.integers(0, 40)))
        piece = data[at:to]
        match draw(st.integers(0, 4)):
            case 0:
                piece = b""
            case 1:
                piece *= draw(st.integers(2, 1500))
            case 2:
                piece = draw(st.sampled_from(HOSTILE))
            case 3:
                piece = draw(st.binary(max_size=12))
            case _:
                return data[:to]
        data = (data[:at] + piece + data[to:])[:_GREATEST]
    return data
