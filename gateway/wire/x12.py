"""X12 interchanges as a stream of segments: bytes in, segments and findings out, in bounded memory and linear time.

The header (ISA) has a fixed form of 106 characters and names the delimiters of everything up to its trailer (IEA):
character 4 is the element separator, ISA11 the repetition separator, character 105 (ISA16) the component separator and
character 106 the segment terminator.

Line breaks and blanks after a terminator are cosmetic. A file may hold several interchanges, each with delimiters of
its own, and text that belongs to none: that becomes one finding for each stretch, and reading goes on at the next
header.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from gateway.errors import MalformedEnvelope
from gateway.model.exchange import Finding
from gateway.wire.x12_header import HEADER, ISA_LENGTH, Delimiters

MAX_SEGMENT = 64 * 1024
"""Bytes one segment may have; the longest segments of the 835 have a few hundred."""
MAX_EVIDENCE = 4096
"""Bytes of unreadable text that a finding keeps."""

_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"
_BLANK_RUN = re.compile(rb"[ \t\r\n]*")
_AFTER_ISA = re.compile(rb"[^A-Za-z0-9 \t\r\n]|\Z")
"""What makes a header of these letters, however broken, and not a word."""
_EDGES = re.compile(rb"I[SE]A")


class Segment(Struct, frozen=True, gc=False):
    """One segment and its place."""

    text: bytes
    """From the segment id to the last element, without the terminator."""
    piece: bytes
    """``text`` with the line breaks and blanks before it: pieces joined by terminators are the file again."""
    number: int
    """Counted from 1 at the file's first header."""
    offset: int
    """Where ``text`` begins in the file."""
    delimiters: Delimiters

    @property
    def where(self) -> str:
        """The place in words, for findings."""
        return f"segment {self.number}, byte {self.offset}"

    def elements(self) -> list[str]:
        """The segment id and its elements as text; components are not separated."""
        return text_of(self.text).split(self.delimiters.element.decode())


def text_of(data: bytes) -> str:
    """Bytes as text: UTF-8 when they are, else Latin-1, which reads every byte."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


class Run(Struct, frozen=True, gc=False):
    """Consecutive segments between two that stand apart, or as many of them as one chunk completed."""

    pieces: list[bytes]
    """Each with the line breaks and blanks before it, without its terminator."""
    number: int
    """Of the first segment."""
    offset: int
    """Where the first piece begins in the file."""
    delimiters: Delimiters

    @property
    def where(self) -> str:
        """The place of the first segment in words, for findings."""
        blanks = len(self.pieces[0]) - len(self.pieces[0].lstrip(_BLANKS))
        return f"segment {self.number}, byte {self.offset + blanks}"


Event = Segment | Run | Finding


@lru_cache(maxsize=64)
def _apart(ids: frozenset[bytes], element: bytes, terminator: bytes) -> re.Pattern[bytes]:
    """Finds a terminator with one of the ids behind it; group 1 is the id."""
    mark, end = re.escape(element), re.escape(terminator)
    return re.compile(end + rb"[ \t\r\n]*(" + b"|".join(sorted(ids)) + rb")(?=" + mark + b"|" + end + rb"|\Z)")


class SegmentReader:
    """Turns chunks of a file into segments. Feed chunks of any size, then close.

    With ids in ``apart`` only these segments come one by one; what lies between comes in runs, several times faster.
    What is said does not depend on the chunks, but for how runs are divided. Holds at most one unfinished segment of
    ``max_segment`` bytes beside the chunk, and looks at each byte a fixed number of times.
    """

    def __init__(self, max_segment: int = MAX_SEGMENT, apart: frozenset[bytes] = frozenset()) -> None:
        self._max = max_segment
        self._apart = apart
        self._delimiters: Delimiters | None = None  # None: looking for a header
        self._held = bytearray()  # an unfinished segment, or the beginning of a header
        self._blank = 0  # how many blanks the held bytes begin with
        self._offset = 0  # of the first held byte
        self._number = 0
        self._skipping = False  # inside a segment that was too long
        self._stray = _Stray()
        self._out: list[Event] = []

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes; return what they completed."""
        before = len(self._held) - self._blank
        if not before:
            self._blank += len(data) - len(data.lstrip(_BLANKS))
        self._held += data
        if self._delimiters is None or self._delimiters.segment in data or self._header_complete(before):
            self._read(final=False)
        self._bound()
        return self._taken()

    def close(self) -> list[Event]:
        """The file has ended: return what was waiting for more, and a finding for what was cut off."""
        self._read(final=True)
        rest = bytes(self._held)
        if self._delimiters is None:
            self._end_stray()
        elif rest.strip(_BLANKS) and not self._skipping:
            self._out.append(
                Finding(
                    reason="truncated",
                    what="the last segment has no terminator",
                    where=f"segment {self._number + 1}, byte {self._offset + self._blank}",
                    body=rest[:MAX_EVIDENCE],
                )
            )
        self._hold(b"", self._offset + len(rest))
        return self._taken()

    def _taken(self) -> list[Event]:
        out, self._out = self._out, []
        return out

    def _hold(self, rest: bytes, offset: int) -> None:
        self._held = bytearray(rest)
        self._blank = len(rest) - len(rest.lstrip(_BLANKS))
        self._offset = offset

    def _header_complete(self, before: int) -> bool:
        """A header may follow without a trailer and end in another terminator: its 106 bytes do not wait for ours."""
        return before < ISA_LENGTH <= len(self._held) - self._blank and self._held.startswith(b"ISA", self._blank)

    def _bound(self) -> None:
        if self._delimiters is None or len(self._held) <= self._max:
            return
        if not self._skipping:
            self._refuse_long(bytes(self._held), self._offset)
            self._skipping = True
        self._hold(b"", self._offset + len(self._held))

    def _refuse_long(self, piece: bytes, offset: int) -> None:
        self._number += 1
        self._out.append(
            Finding(
                reason="limit-exceeded",
                what=f"a segment is longer than {self._max} bytes",
                where=f"segment {self._number}, byte {offset}",
                body=piece[: min(self._max, MAX_EVIDENCE)],
            )
        )

    def _read(self, *, final: bool) -> None:
        data, place = bytes(self._held), 0
        while True:
            begun = place
            if self._delimiters is None:
                place = self._hunt(data, place, final)
            else:
                place = self._split(data, place, self._delimiters, final)
            if place == begun:
                break
        self._hold(data[place:], self._offset + place)

    # --- inside an interchange ---------------------------------------------------------------------------------------

    def _split(self, data: bytes, place: int, delimiters: Delimiters, final: bool) -> int:
        """Give out the segments up to the next header or trailer, then that one; return where to go on."""
        terminator = delimiters.segment
        edge = _EDGES.search(data, place)
        end = data.rfind(terminator, place, edge.start() if edge else len(data))
        if end >= 0:
            self._give(data[place:end], place, delimiters)
            return end + 1
        if edge is None:
            return place
        start = _BLANK_RUN.match(data, place).end()  # type: ignore[union-attr]  # an empty run matches everywhere
        if data.startswith(b"ISA", start) and not self._skipping:
            if len(data) - start < ISA_LENGTH and not final:
                return place
            if HEADER.match(data, start) and self._open(data, start) is None:
                return start + ISA_LENGTH
        end = data.find(terminator, place)
        if end < 0:
            return place
        whole = not self._skipping and end - place <= self._max
        header = end + 1 - ISA_LENGTH
        if whole and header > start and HEADER.match(data, header) and self._tear(data, start, header):
            return end + 1
        self._give(data[place:end], place, delimiters)
        if whole and data.startswith(b"IEA" + delimiters.element, start):
            self._delimiters = None
        return end + 1

    def _tear(self, data: bytes, start: int, header: int) -> bool:
        """Begin an interchange inside a segment: a file was cut off there, and another of its kind put behind it."""
        out, number = len(self._out), self._number
        self._number += 1
        if self._open(data, header) is not None:
            self._number = number
            return False
        torn = Finding(
            reason="truncated",
            what="a segment is cut off by the header of another interchange",
            where=f"segment {number + 1}, byte {self._offset + start}",
            body=data[start:header][:MAX_EVIDENCE],
        )
        self._out.insert(out, torn)
        return True

    def _give(self, block: bytes, place: int, delimiters: Delimiters) -> None:
        """Hand out every segment of a block that begins at ``place`` of the held bytes and ends before a terminator."""
        offset = self._offset + place
        if self._skipping:
            self._skipping = False
            dropped, more, block = block.partition(delimiters.segment)
            if not more:
                return
            offset += len(dropped) + 1
        if not self._apart:
            self._each(block, offset, delimiters)
            return
        terminator = delimiters.segment
        block = terminator + block
        done = 1
        for found in _apart(self._apart, delimiters.element, terminator).finditer(block):
            begin, end = found.start() + 1, block.find(terminator, found.start(1))
            if begin > done:
                self._run(block[done : begin - 1], offset + done - 1, delimiters)
            end = end if end > 0 else len(block)
            self._each(block[begin:end], offset + begin - 1, delimiters)
            done = end + 1
        if done <= len(block):
            self._run(block[done:], offset + done - 1, delimiters)

    def _each(self, block: bytes, offset: int, delimiters: Delimiters) -> None:
        number, out = self._number, self._out
        for piece in block.split(delimiters.segment):
            size = len(piece)
            text = piece.lstrip(_BLANKS)
            if size > self._max:
                self._number = number
                self._refuse_long(piece, offset)
                number = self._number
            elif text:
                number += 1
                out.append(Segment(text, piece, number, offset + size - len(text), delimiters))
            offset += size + 1
        self._number = number

    def _run(self, block: bytes, offset: int, delimiters: Delimiters) -> None:
        pieces = block.split(delimiters.segment)
        if len(block) > self._max and len(pieces) > 1:
            for piece in pieces:
                self._run(piece, offset, delimiters)
                offset += len(piece) + 1
        elif len(block) > self._max:
            self._refuse_long(block, offset)
        else:
            if sum(map(bool, map(bytes.strip, pieces))) < len(pieces):  # terminators in a row: nothing between them
                blank = next((at for at, piece in enumerate(pieces) if piece.strip()), len(pieces))
                offset += sum(map(len, pieces[:blank])) + blank
                pieces = [piece for piece in pieces if piece.strip()]
            if pieces:
                self._out.append(Run(pieces, self._number + 1, offset, delimiters))
                self._number += len(pieces)

    def _open(self, data: bytes, start: int) -> MalformedEnvelope | None:
        """Begin an interchange with the header at ``start``, or say why it is none."""
        header = data[start : start + ISA_LENGTH]
        try:
            self._delimiters = Delimiters.read(header)
        except MalformedEnvelope as error:
            return error
        text = header[:-1]
        self._number += 1
        self._out.append(Segment(text, text, self._number, self._offset + start, self._delimiters))
        return None

    # --- between interchanges ----------------------------------------------------------------------------------------

    def _hunt(self, data: bytes, place: int, final: bool) -> int:
        """Look for the next header; what lies before it is stray text. Return where to go on."""
        start = data.find(b"ISA", place)
        if start < 0:
            kept = 0 if final else 2  # the first bytes of a header, or of a byte order mark, may be the last of a chunk
            start = max(place, len(data) - kept)
        elif len(data) - start >= ISA_LENGTH or final:
            self._stray.add(data[place:start], self._offset + place)
            if HEADER.match(data, start) or (not self._stray.blamed and _AFTER_ISA.match(data, start + 3)):
                error = self._open(data, start)
                if error is None:
                    self._end_stray()
                    return start + ISA_LENGTH
                self._stray.blame(error, self._offset + start)
            self._stray.add(b"ISA", self._offset + start)
            return start + 3
        self._stray.add(data[place:start], self._offset + place)
        return start

    def _end_stray(self) -> None:
        finding = self._stray.finding()
        if finding is not None:
            self._out.append(finding)
        self._stray = _Stray()


class _Stray:
    """Text that belongs to no interchange, from its first visible byte up to the next header."""

    def __init__(self) -> None:
        self._offset = 0
        self._body = bytearray()
        self._error: MalformedEnvelope | None = None
        self._error_offset = 0

    def add(self, text: bytes, offset: int) -> None:
        """Take the next bytes, of which the first :data:`MAX_EVIDENCE` are kept."""
        if not self._body:
            visible = text.lstrip(_BLANKS)
            self._offset = offset + len(text) - len(visible)
            text = visible
        if len(self._body) < MAX_EVIDENCE:
            self._body += text[: MAX_EVIDENCE - len(self._body)]

    @property
    def blamed(self) -> bool:
        """Whether a broken header explains the text."""
        return self._error is not None

    def blame(self, error: MalformedEnvelope, offset: int) -> None:
        """Remember why the header at ``offset`` could not be read; the first one explains the rest."""
        if self._error is None:
            self._error, self._error_offset = error, offset

    def finding(self) -> Finding | None:
        """What there is to say; None for blanks and byte order marks."""
        body = bytes(self._body)
        if not body.removeprefix(_BOM).strip(_BLANKS):
            return None
        if self._error is None:
            return Finding(
                reason="not-x12", what="text outside any interchange", where=f"byte {self._offset}", body=body
            )
        return Finding(
            reason=self._error.reason,
            what=self._error.what,
            fix=self._error.fix,
            body=body,
            where=f"{self._error.where}, byte {self._error_offset}",
        )
