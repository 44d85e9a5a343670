"""Cuts the sets built of hierarchical levels (HL) into messages of one patient each: 837, 270, 271, 276, 277, 278.

A message is what the file says about one patient (HL03 22, 23 or PT), from the patient's level on; where a set holds
several things about a patient, each is a message of its own: a claim (837 CLM), a claim's status (276 and 277 TRN), a
review (278 HL of EV). Such a message begins with the levels that tell who the subscriber and the patient are, repeated
for each. Its context, shared by many, holds ISA, GS, the header up to the first HL and the levels above the patient:
payer (20), receiver (21) and provider (19).

The payers that an 837 names among its subscribers are a message each, once in a transaction: NM1*PR and its address.
An answer above any patient (AAA, STC) has a message of its own that begins with its level; a transaction about no
patient is one message from ST to SE.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from gateway.model.exchange import Finding, Item
from gateway.wire.x12 import Run, Segment, text_of
from gateway.wire.x12_transaction import Opened

MAX_PERSON = 8 * 1024
"""Bytes of the levels that each of a patient's messages repeats; a few hundred are usual. Without a bound, one long
level and many short claims would make a file's messages far larger than the file."""
MAX_PAYERS = 4096
"""Different payers that one transaction's claims are remembered to name; further ones have no message of their own."""
MAX_UPPER = 256 * 1024
"""Bytes of a transaction's header or of one level above the patient; a few hundred are usual."""

_UPPER = {b"20": 1, b"21": 2, b"19": 3}
_SUBSCRIBER = frozenset({b"22", b"PT"})
_DEPENDENT = b"23"
_BLANKS = b" \t\r\n"
_ADDRESS = frozenset({b"N3", b"N4"})
_ANSWERS = (b"AAA", b"STC", b"EB", b"HCR")


class Shape(Struct, frozen=True):
    """How one transaction set is cut."""

    kind: str
    unit: bytes = b""
    """The segment that begins each message below the patient; empty when the patient's levels are the message."""
    level: bytes = b""
    """HL03 of the level that begins each message, where ``unit`` is HL."""
    upper_answers: bool = False
    """Whether answers above the patient stand for themselves, beside those below."""
    payers: str = ""
    """Kind of the messages that tell of each payer once, where subscribers name them."""


SHAPES = {
    "837": Shape("837 claim", b"CLM", payers="837 payer"),
    "270": Shape("270 inquiry"),
    "271": Shape("271 benefit"),
    "276": Shape("276 inquiry", b"TRN"),
    "277": Shape("277 status", b"TRN", upper_answers=True),
    "278": Shape("278 review", b"HL", b"EV"),
}
"""By ST01."""


class LevelCutter:
    """Cuts one transaction; holds its upper levels and one patient."""

    def __init__(self, opened: Opened, shape: Shape, max_message: int) -> None:
        self._opened = opened
        self._shape = shape
        self._max = max_message
        self._mark = opened.st.delimiters.element
        self._upper: list[list[bytes]] = [[opened.st.piece], [], [], []]
        self._level = 0  # of the upper level being read
        self._context: bytes | None = None
        self._subscriber: list[bytes] = []
        self._dependent: list[bytes] = []
        self._unit: list[bytes] = []
        self._into = self._upper[0]
        self._order_key: str | None = None
        self._first = opened.st
        self._offset = opened.st.offset
        self._size = 0
        self._damaged = self._sent = self._crowded = False
        self._ordinal = 0
        self._payers: set[bytes] = set()

    def take(self, id: bytes, segment: Segment) -> Iterator[Item | Finding]:
        """Follow a segment that stands apart: a level, a claim, or any other."""
        if id == b"HL":
            yield from self._take_level(segment)
        elif id == b"CLM" and self._shape.unit == id and self._patient:
            yield from self._begin_unit(segment.piece, segment.offset, segment)
        else:
            yield from self._add([segment.piece], segment.offset)

    def run(self, run: Run) -> Iterator[Item | Finding]:
        """Follow segments of the level or claim being read."""
        return self._add(run.pieces, run.offset)

    def damage(self) -> None:
        """A segment of the message being read is missing."""
        self._damaged = True

    def end(self, se: Segment | None, *, cut_off: bool) -> Iterator[Item | Finding]:
        """The transaction has ended."""
        yield from self._end_message(cut_off=cut_off)
        yield from self._end_upper()
        if self._sent or self._ordinal:
            return
        opened = self._opened
        pieces = [piece for level in self._upper for piece in level]
        body = opened.joined([*pieces, se.piece] if se else pieces)
        if cut_off or self._damaged:
            yield opened.broken(body, opened.st.where, cut_off=cut_off, too_long=False)
            return
        kind = f"{self._shape.kind.partition(' ')[0]} transaction"
        yield Item(
            body=body, kind=kind, control_id=opened.control, order_key=None, context=opened.envelope,
            offset=opened.st.offset,
        )  # fmt: skip

    @property
    def _patient(self) -> bool:
        return bool(self._subscriber or self._dependent)

    # --- levels ------------------------------------------------------------------------------------------------------

    def _take_level(self, segment: Segment) -> Iterator[Item | Finding]:
        parts = segment.text.split(self._mark)
        code = parts[3].strip() if len(parts) > 3 else b""
        upper = _UPPER.get(code)
        if upper is not None:
            yield from self._end_message()
            yield from self._end_upper()
            self._forget(subscriber=True)
            self._upper[upper:] = [[segment.piece], *([] for _ in range(3 - upper))]
            self._level, self._into, self._context = upper, self._upper[upper], None
            self._first = segment
        elif code in _SUBSCRIBER:
            yield from self._end_message()
            yield from self._end_upper()
            self._forget(subscriber=True)
            self._open(self._subscriber, segment)
        elif code == _DEPENDENT:
            yield from self._end_message(followed=True)
            self._forget(subscriber=False)
            self._open(self._dependent, segment)
        elif code == self._shape.level and self._shape.level and self._patient:
            yield from self._begin_unit(segment.piece, segment.offset, segment)
        else:
            yield from self._add([segment.piece], segment.offset)

    def _forget(self, *, subscriber: bool) -> None:
        if subscriber:
            self._subscriber, self._crowded = [], False
        else:
            self._subscriber = self._identity(self._subscriber)
            if sum(map(len, self._subscriber)) > MAX_PERSON:
                self._subscriber, self._crowded = self._subscriber[:1], True
        self._dependent, self._unit, self._order_key = [], [], None

    def _identity(self, pieces: list[bytes]) -> list[bytes]:
        """A subscriber's level up to its first answer: who holds the policy, without what was said about them."""
        for at, piece in enumerate(pieces):
            if piece.lstrip(_BLANKS).startswith(_ANSWERS):
                return pieces[:at]
        return pieces

    def _open(self, level: list[bytes], segment: Segment) -> None:
        level.append(segment.piece)
        self._into, self._first, self._offset = level, segment, segment.offset
        self._size, self._damaged = len(segment.piece), False

    # --- messages ----------------------------------------------------------------------------------------------------

    def _add(self, pieces: list[bytes], offset: int) -> Iterator[Item | Finding]:
        if not self._patient:
            if sum(map(len, self._into)) <= MAX_UPPER:
                self._into += pieces
            else:
                self._damaged = True
        elif self._shape.unit == b"TRN":
            for piece in pieces:
                if piece.lstrip(_BLANKS).startswith(b"TRN" + self._mark):
                    yield from self._begin_unit(piece, offset, self._first)
                else:
                    self._put([piece])
                offset += len(piece) + 1
        else:
            self._put(pieces)

    def _put(self, pieces: list[bytes]) -> None:
        self._size += sum(map(len, pieces)) + len(pieces)
        if self._shape.unit and not self._unit and self._size > MAX_PERSON:
            self._crowded = True
        elif self._size <= self._max:
            self._into += pieces

    def _begin_unit(self, piece: bytes, offset: int, segment: Segment) -> Iterator[Item | Finding]:
        if self._unit:
            yield from self._end_message()
        self._unit = [piece]
        self._into, self._first, self._offset = self._unit, segment, offset
        self._size = len(piece) + sum(map(len, self._subscriber)) + sum(map(len, self._dependent))
        self._damaged = False

    def _end_message(self, *, cut_off: bool = False, followed: bool = False) -> Iterator[Item | Finding]:
        """The message being read is complete; a subscriber ``followed`` by dependents is one only when answered."""
        if not self._patient:
            return
        if self._shape.unit and not self._unit:
            if not cut_off and not self._damaged:
                return
        elif followed and not self._dependent and len(self._identity(self._subscriber)) == len(self._subscriber):
            return
        opened = self._opened
        body = opened.joined([*self._subscriber, *self._dependent, *self._unit])
        self._ordinal += 1
        self._unit = []
        if self._shape.payers and self._order_key is None:
            yield from self._payer()
        too_long = self._crowded or self._size > self._max
        if cut_off or self._damaged or too_long:
            yield opened.broken(body, self._first.where, cut_off=cut_off, too_long=too_long)
            return
        self._sent = True
        yield Item(
            body=body,
            kind=self._shape.kind,
            control_id=f"{opened.control}/{self._ordinal}",
            order_key=self._key(),
            context=self._shared(len(self._upper)),
            offset=self._offset,
        )

    def _payer(self) -> Iterator[Item]:
        """The payer of this subscriber, when the transaction has not named it before."""
        begin = b"NM1" + self._mark + b"PR" + self._mark
        for at, piece in enumerate(self._subscriber):
            text = piece.lstrip(_BLANKS)
            if text.startswith(begin):
                if text not in self._payers and len(self._payers) < MAX_PAYERS:
                    self._payers.add(text)
                    address = [one for one in self._subscriber[at + 1 : at + 3] if one.lstrip(_BLANKS)[:2] in _ADDRESS]
                    yield Item(
                        body=self._opened.joined([piece, *address]),
                        kind=self._shape.payers,
                        control_id=f"{self._opened.control}/payer/{len(self._payers)}",
                        order_key=None,
                        context=self._shared(len(self._upper)),
                        offset=self._offset,
                    )
                return

    def _end_upper(self) -> Iterator[Item | Finding]:
        """A level above the patient is complete: what it answers for all that is below is a message."""
        if self._patient or not self._shape.upper_answers or not self._level or not self._upper[self._level]:
            return
        level = self._upper[self._level]
        if len(self._identity(level)) < len(level):
            self._ordinal += 1
            self._sent = True
            yield Item(
                body=self._opened.joined(level),
                kind=self._shape.kind,
                control_id=f"{self._opened.control}/{self._ordinal}",
                order_key=None,
                context=self._shared(self._level),
                offset=self._first.offset,
            )

    def _shared(self, levels: int) -> bytes:
        """The context: everything above the message; one object for as long as it stays the same."""
        if levels < len(self._upper):
            return self._opened.envelope + self._opened.joined([one for level in self._upper[:levels] for one in level])
        if self._context is None:
            joined = self._opened.joined([one for level in self._upper for one in level])
            self._context = self._opened.envelope + joined
        return self._context

    def _key(self) -> str | None:
        """What orders messages of one patient: the member number of the subscriber, or of the patient."""
        if self._order_key is None:
            for piece in (*self._subscriber, *self._dependent):
                parts = piece.split(self._mark, 10)
                if len(parts) > 9 and parts[0].lstrip(_BLANKS) == b"NM1" and parts[1] in (b"IL", b"QC") and parts[9]:
                    self._order_key = text_of(parts[9]).strip()
                    break
            else:
                self._order_key = self._opened.control
        return self._order_key
