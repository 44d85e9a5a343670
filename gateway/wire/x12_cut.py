"""Cuts X12 files into messages of at most one patient each, whatever transaction sets they hold, in bounded memory.

One pass over the file follows its envelopes (interchange, functional group, transaction set) and hands the segments of
each transaction to a cutter of its set: remittances (835) are cut claim by claim, sets built of hierarchical levels
(837, 270, 271, 276, 277, 278) patient by patient and claim by claim, acknowledgements (999, 997) are one message each,
and so is a TA1, which stands between an interchange's header and trailer. Sets that are not read become findings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from gateway.model.acknowledgement import Acknowledgement
from gateway.model.exchange import Finding, Item
from gateway.wire.x12 import MAX_EVIDENCE, Event, Run, Segment, SegmentReader
from gateway.wire.x12_835 import element
from gateway.wire.x12_835_cut import RemittanceCutter, Twins
from gateway.wire.x12_acknowledge import ENVELOPE, Acknowledging, Owed, owed
from gateway.wire.x12_envelope import Envelope
from gateway.wire.x12_level_cut import SHAPES, LevelCutter
from gateway.wire.x12_transaction import Opened, SetCutter

ACKNOWLEDGEMENTS = frozenset({"997", "999"})
INTERCHANGE_ACKNOWLEDGEMENT = "TA1 acknowledgement"
MAX_WHOLE = 1024 * 1024
"""Bytes an acknowledgement may have."""

_APART = ENVELOPE | {b"CLP", b"TS2", b"TS3", b"PLB", b"HL", b"CLM", b"TA1"}
_GROUPS = frozenset({"HP", "HC", "HS", "HB", "HR", "HN", "HI", "FA"})
_BLANKS = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_SIXTEEN_BIT = (b"\xff\xfe", b"\xfe\xff", b"I\0S\0A\0", b"\0I\0S\0A")


def cut(chunks: Iterable[bytes], max_message: int, acknowledge: Collection[Owed] = ()) -> Iterator[Item | Finding]:
    """Cut a file into messages; what cannot be read becomes a finding and the rest goes on.

    A message of more than ``max_message`` bytes becomes a finding; a claim of an 835 still counts in the totals. With
    ``acknowledge`` each interchange is followed by a message that says which of these its sender is owed.
    """
    reader, cutter = SegmentReader(apart=_APART), _Cutter(max_message, acknowledge)
    first = True
    for chunk in chunks:
        if first and chunk:
            first = False
            if chunk.startswith(_SIXTEEN_BIT):
                yield _sixteen_bit(chunk)
                return
        for event in reader.feed(chunk):
            yield from cutter.take(event)
    for event in reader.close():
        yield from cutter.take(event)
    yield from cutter.close()


def _sixteen_bit(chunk: bytes) -> Finding:
    return Finding(
        reason="wrong-encoding",
        what="the file is written in UTF-16, and X12 has one byte for each character",
        where="byte 0",
        fix="save or convert it as UTF-8 or ASCII and bring it in again",
        body=chunk[:MAX_EVIDENCE],
    )


class WholeCutter:
    """An acknowledgement: the whole transaction is one message."""

    def __init__(self, opened: Opened, set_id: str) -> None:
        self._opened = opened
        self._set_id = set_id
        self._pieces = [opened.st.piece]
        self._left = MAX_WHOLE
        self._damaged = False

    def take(self, id: bytes, segment: Segment) -> Iterator[Item | Finding]:
        """Keep a segment that stands apart."""
        del id  # every segment is kept alike
        return self._keep([segment.piece])

    def run(self, run: Run) -> Iterator[Item | Finding]:
        """Keep a run of segments."""
        return self._keep(run.pieces)

    def damage(self) -> None:
        """A segment of it could not be read."""
        self._damaged = True

    def end(self, se: Segment | None, *, cut_off: bool) -> Iterator[Item | Finding]:
        """The transaction has ended."""
        opened = self._opened
        body = opened.joined([*self._pieces, se.piece] if se else self._pieces)
        if cut_off or self._damaged or self._left < 0:
            yield opened.broken(body, opened.st.where, cut_off=cut_off, too_long=self._left < 0)
            return
        yield Item(
            body=body,
            kind=f"{self._set_id} acknowledgement",
            control_id=opened.control,
            order_key=None,
            context=opened.envelope,
            offset=opened.st.offset,
        )

    def _keep(self, pieces: list[bytes]) -> Iterator[Item | Finding]:
        self._left -= sum(map(len, pieces))
        if self._left >= 0:
            self._pieces += pieces
        yield from ()


class _Cutter:
    """Follows the segments of a file and its envelopes; holds what the open transaction's cutter holds."""

    def __init__(self, max_message: int, acknowledge: Collection[Owed]) -> None:
        self._max = max_message
        self._envelope = Envelope()
        self._owes = acknowledge
        self._acknowledging = Acknowledging()
        self._header: Segment | None = None
        self._isa = self._gs = b""
        self._transaction: SetCutter | None = None
        self._inside = False  # in a transaction, read or not
        self._twins = Twins()
        self._stray = False  # inside a run of segments that belong to no transaction

    def take(self, event: Event) -> Iterator[Item | Finding]:
        """Follow a segment or a run of them; what they complete comes out."""
        transaction = self._transaction
        if isinstance(event, Finding):
            if transaction is not None:
                transaction.damage()
            self._acknowledging.damage()
            yield event
        elif isinstance(event, Run):
            if transaction is not None:
                yield from transaction.run(event)
            elif not self._inside:
                yield from self._outside(event.pieces[0], event.where)
        else:
            id = event.text.partition(event.delimiters.element)[0]
            if id in ENVELOPE:
                yield from self._take_envelope(id, event)
            elif transaction is not None:
                yield from transaction.take(id, event)
            elif not self._inside:
                yield from self._between(id, event)

    def close(self) -> Iterator[Item | Finding]:
        """The file has ended."""
        yield from self._end(None, cut_off=True)
        yield from self._envelope.close()
        yield from self._owed(self._acknowledging.close())

    def _owed(self, ended: Acknowledgement | None) -> Iterator[Item]:
        """What the sender of an interchange that has ended is owed."""
        if ended is not None and self._owes and self._header is not None:
            yield from owed(ended, self._header, self._owes)

    def _between(self, id: bytes, segment: Segment) -> Iterator[Item | Finding]:
        if id == b"TA1" and self._isa:
            yield Item(
                body=segment.text + segment.delimiters.segment,
                kind=INTERCHANGE_ACKNOWLEDGEMENT,
                control_id=f"{self._envelope.control}/{segment.number}",
                order_key=None,
                context=self._isa + segment.delimiters.segment,
                offset=segment.offset,
            )
        else:
            yield from self._outside(segment.text, segment.where)

    def _outside(self, piece: bytes, where: str) -> Iterator[Finding]:
        if not self._stray:
            what = "segments outside any transaction"
            yield Finding(reason="stray-segments", what=what, where=where, body=piece[:MAX_EVIDENCE])
        self._stray = True

    def _take_envelope(self, id: bytes, segment: Segment) -> Iterator[Item | Finding]:
        elements = segment.elements()
        self._stray = False
        closes = id == b"SE" and self._inside
        yield from self._end(segment if closes else None, cut_off=id == b"ISA")
        yield from self._envelope.take(segment, elements)
        yield from self._owed(self._acknowledging.take(segment, elements))
        if id == b"ISA":
            self._header = segment
            self._isa, self._gs = segment.text, b""
        elif id == b"GS":
            self._gs = segment.text
        elif id == b"ST":
            self._inside = True
            self._transaction = self._opened(segment, element(elements, 1).strip())
            if self._transaction is None:
                what = "this transaction set is not read; it is left out"
                yield Finding(reason="unsupported-transaction", what=what, where=segment.where, body=segment.text)

    def _opened(self, st: Segment, set_id: str) -> SetCutter | None:
        mark = st.delimiters.segment
        opened = Opened(st, self._isa + mark + self._gs + mark, self._envelope.control)
        if set_id == "835":
            return RemittanceCutter(opened, self._max, self._twins)
        if set_id in SHAPES:
            return LevelCutter(opened, SHAPES[set_id], self._max)
        return WholeCutter(opened, set_id) if set_id in ACKNOWLEDGEMENTS else None

    def _end(self, se: Segment | None, *, cut_off: bool) -> Iterator[Item | Finding]:
        transaction, self._transaction, self._inside = self._transaction, None, False
        if transaction is not None:
            yield from transaction.end(se, cut_off=cut_off)


def is_x12(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is X12 and, as far as can be seen, of a kind that is read.

    A broken header at the very beginning counts, so that cutting can say what is wrong with it.
    """
    start = head.removeprefix(_BOM).lstrip(_BLANKS)
    found = (start.startswith(b"ISA") and not start[3:4].isalnum()) or b"I\0S\0A\0" in head[:8]
    for event in SegmentReader().feed(head):
        if isinstance(event, Segment):
            found = True
            elements = event.elements()
            if elements[0] == "GS":
                return element(elements, 1) in _GROUPS
            if elements[0] == "TA1":
                return True
    return found
