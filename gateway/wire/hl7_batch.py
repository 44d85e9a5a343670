"""HL7 v2 files cut into messages as they stream by: single messages, many messages, batches (FHS BHS ... BTS FTS).

The cutter looks only for the segments that begin a message or belong to the envelope; so it holds one message at most,
whatever the file's length. MLLP framing left in a file, byte order marks, white space and UTF-16 are understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

import msgspec

from gateway.wire.hl7_charset import width

_NAMES = ("MSH", "FHS", "BHS", "BTS", "FTS")
_LEADING = b" \t\r\n\x0b"
_NARROW_BLANK = b" \t\r\n\x0b\x1c\x1a\0"
_BOM = b"\xef\xbb\xbf"
_HEAD = 4096


class Piece(msgspec.Struct, frozen=True):
    """A part of a file."""

    name: str
    """``MSH`` for a message, ``FHS`` ``BHS`` ``BTS`` ``FTS`` for the envelope, empty for bytes that are neither."""
    body: bytes
    offset: int
    """Where ``body`` begins in the file, in bytes."""
    oversized: bool = False
    """True when the piece is longer than the limit; ``body`` is then its head and the rest was skipped."""


def cut(chunks: Iterable[bytes], limit: int) -> Iterator[Piece]:
    """Cut a file into pieces, each at most ``limit`` bytes long, in memory of one piece and one chunk."""
    cutter = Cutter(limit)
    for chunk in chunks:
        yield from cutter.feed(chunk)
    yield from cutter.close()


class Cutter:
    """The machine behind :func:`cut`, for callers that are fed.

    Args:
        limit: the greatest length of one piece in bytes.
    """

    __slots__ = ("_codec", "_held", "_limit", "_name", "_offset", "_pattern", "_scanned", "_skipping", "_unit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._offset = 0
        self._pattern: re.Pattern[bytes] | None = None
        self._codec = "ascii"
        self._unit = 1
        self._name = ""
        self._scanned = 0
        self._skipping = False

    def feed(self, chunk: bytes) -> list[Piece]:
        """The pieces that ``chunk`` completes."""
        self._held += chunk
        if self._pattern is None:
            blank = len(self._held) - len(self._held.lstrip(_LEADING))
            del self._held[:blank]
            self._offset += blank
            if len(self._held) < 4:
                return []
            self._begin()
        return self._cut()

    def close(self) -> list[Piece]:
        """The pieces that the end of the file completes."""
        if self._pattern is None:
            self._begin()
        # A name at the very end of the file is recognised like one at the end of a line.
        self._held += "\r".encode(self._codec)
        pieces = self._cut()
        if not self._skipping:
            self._emit(0, len(self._held) - self._unit, pieces)
        self._held.clear()
        return pieces

    def _begin(self) -> None:
        wide = width(bytes(self._held[:4]))
        self._codec = wide[1] if wide is not None and wide[1] != "utf-8" else "ascii"
        self._unit = 1 if self._codec == "ascii" else 2
        self._pattern = _boundary(self._codec)

    def _cut(self) -> list[Piece]:
        pieces: list[Piece] = []
        held, begin = self._held, 0
        assert self._pattern is not None  # noqa: S101  # _begin has run
        for found in self._pattern.finditer(held, self._scanned):
            at = found.start(1)
            if not self._skipping:
                self._emit(begin, at, pieces)
            self._skipping = False
            self._name = found[1].decode(self._codec)
            begin = at
        # The longest match is a mark, a name and a character; what is shorter may still become one.
        self._scanned = max(begin + 3 * self._unit if self._name else 0, len(held) - 8 * self._unit)
        if not self._skipping and len(held) - begin > self._limit + 8 * self._unit:
            self._emit(begin, len(held), pieces)
            self._skipping = True
        keep = max(begin, len(held) - 24) if self._skipping else begin
        del held[:keep]
        self._offset += keep
        self._scanned = max(self._scanned - keep, 0)
        return pieces

    def _emit(self, begin: int, end: int, pieces: list[Piece]) -> None:
        """Report held[begin:end] unless it is blank."""
        if end - begin > self._limit:
            head = bytes(self._held[begin : begin + min(_HEAD, self._limit)])
            pieces.append(Piece(self._name, head, self._offset + begin, oversized=True))
            return
        body = bytes(self._held[begin:end])
        if self._unit == 1:
            body = body.removesuffix(_BOM).rstrip(_NARROW_BLANK)
        if self._name or body.strip(_NARROW_BLANK + _BOM + b"\xff\xfe"):
            pieces.append(Piece(self._name, body, self._offset + begin))


@lru_cache(maxsize=3)
def _boundary(codec: str) -> re.Pattern[bytes]:
    """Where a message or a part of the envelope begins: its name at a line's begin and a delimiter after it."""

    def encoded(text: str) -> bytes:
        return re.escape(text.encode(codec))

    mark = _BOM if codec == "ascii" else encoded("\ufeff")
    before = b"|".join([rb"\A", mark, *(encoded(character) for character in "\r\n\x0b\x1c")])
    names = b"|".join(encoded(name) for name in _NAMES)
    delimiter = rb"[^A-Za-z0-9\x00]"
    after = {"ascii": delimiter, "utf-16-le": delimiter + rb"\x00", "utf-16-be": rb"\x00" + delimiter}[codec]
    return re.compile(rb"(?:" + before + rb")(" + names + rb")(?=" + after + rb")")
