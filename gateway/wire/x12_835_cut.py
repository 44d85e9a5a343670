"""Cuts 835 files into messages of one claim each, in bounded memory.

A claim message is one claim loop (CLP up to the next claim) exactly as it stands in the file. Its context, the same
for all claims of a transaction, holds ISA, GS and the transaction's header up to the first LX or CLP. When a
transaction ends, one more message follows for the remittance: header, provider summaries (TS2, TS3), PLB and SE; its
context holds ISA, GS and what the claims added up to, as a segment of our own (TOTALS).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache

from gateway.errors import InvalidContent
from gateway.model.exchange import Finding, Item
from gateway.wire.x12 import MAX_EVIDENCE, Event, Run, Segment, SegmentReader, text_of
from gateway.wire.x12_835 import ClaimBalance, Totals, claim_balance, element
from gateway.wire.x12_envelope import Envelope

CLAIM = "835 claim"
REMITTANCE = "835 remittance"
MAX_HEADER = 256 * 1024
"""Bytes of a transaction's header or of its summaries; a few KiB are usual."""

_ENVELOPE = frozenset({b"ISA", b"GS", b"ST", b"SE", b"GE", b"IEA"})
_APART = _ENVELOPE | {b"CLP", b"LX", b"TS2", b"TS3", b"PLB"}
_BLANKS = b" \t\r\n"


def cut(chunks: Iterable[bytes], max_claim: int) -> Iterator[Item | Finding]:
    """Cut a file into claims and remittances; what cannot be read becomes a finding and the rest goes on.

    A claim of more than ``max_claim`` bytes becomes a finding; its payment still counts in the totals.
    """
    reader, cutter = SegmentReader(apart=_APART), _Cutter(max_claim)
    for chunk in chunks:
        for event in reader.feed(chunk):
            yield from cutter.take(event)
    for event in reader.close():
        yield from cutter.take(event)
    yield from cutter.close()


class _Claim:
    """A claim loop that is being read."""

    def __init__(self, clp: Segment, transaction: _Transaction, most: int) -> None:
        self.first = clp
        self.transaction = transaction
        self.ordinal = transaction.totals.claims + 1
        self.pieces = [clp.piece]
        self.damaged = False
        self._left = most - len(clp.text) - 1
        self.key = self.order_key = ""

    @property
    def too_long(self) -> bool:
        """Whether there were more bytes than allowed."""
        return self._left < 0

    def add(self, run: Run) -> None:
        """Take more segments of the loop, up to the limit."""
        self._left -= sum(map(len, run.pieces)) + len(run.pieces)
        if not self.too_long:
            self.pieces += run.pieces

    def read(self, body: bytes) -> ClaimBalance | None:
        """Take from the loop what cutting needs: the ids that tell it from others, and its balance.

        None when an amount is none: normalizing says where; here the claim only counts as unread.
        """
        marks = self.first.delimiters
        separator = marks.element.decode()
        clp = text_of(self.first.text).split(separator)
        segments = [clp]
        telling = _telling(separator, marks.segment.decode())
        for text in telling.findall("" if self.too_long else text_of(body)):
            elements = text.split(separator)
            if elements[0] == "NM1":
                self.order_key = element(elements, 9)
            else:
                segments.append(elements)
        self.key = "\0".join((element(clp, 1), element(clp, 2), element(clp, 7)))
        self.order_key = self.order_key or element(clp, 1)
        try:
            return claim_balance(segments)
        except InvalidContent:
            return None


@lru_cache(maxsize=64)
def _telling(separator: str, terminator: str) -> re.Pattern[str]:
    """Finds the segments behind the first that cutting reads: SVC, CAS and the patient's NM1."""
    mark, end = re.escape(separator), re.escape(terminator)
    return re.compile(rf"{end}[ \t\r\n]*((?:SVC{mark}|CAS{mark}|NM1{mark}QC{mark})[^{end}]*)")


class _Transaction:
    """What is kept of a transaction while its claims stream by."""

    def __init__(self, isa: bytes, gs: bytes, st: Segment, control: str, *, supported: bool) -> None:
        self.supported = supported
        self.control = control
        self.st = st
        self.envelope = isa + st.delimiters.segment + gs + st.delimiters.segment
        self.header = [st.piece]
        self.summary: list[bytes] = []
        self.kept = 0
        self.totals = Totals()
        self.context: bytes | None = None

    def claim_context(self) -> bytes:
        """The context of every claim: one object, made when the header is complete."""
        if self.context is None:
            self.context = self.envelope + _joined(self.header, self.st)
        return self.context

    def keep(self, pieces: list[bytes], *, header: bool) -> Finding | None:
        """Hold segments for the remittance, up to the limit; a finding when the first one is too much."""
        room = self.kept <= MAX_HEADER
        for piece in pieces:
            self.kept += len(piece) + 1
            if self.kept <= MAX_HEADER:
                (self.header if header else self.summary).append(piece)
        if not room or self.kept <= MAX_HEADER:
            return None
        what = f"a transaction has more than {MAX_HEADER} bytes outside its claims"
        return Finding(reason="limit-exceeded", what=what, where=f"transaction of {self.st.where}")


class _Cutter:
    """Follows the segments of a file; holds one claim, one header and one bitmap."""

    def __init__(self, max_claim: int) -> None:
        self._max_claim = max_claim
        self._envelope = Envelope()
        self._isa = self._gs = b""
        self._transaction: _Transaction | None = None
        self.claim: _Claim | None = None
        self._twins = _Twins()
        self._stray = False  # inside a run of segments that belong to no transaction

    def take(self, event: Event) -> Iterator[Item | Finding]:
        """Follow a segment or a run of them; what they complete comes out."""
        claim = self.claim
        if isinstance(event, Finding):
            if claim is not None:
                claim.damaged = True  # a segment of it is missing
            yield event
        elif isinstance(event, Run):
            if claim is not None:
                claim.add(event)
            elif self._transaction is None:
                yield from self._outside(event.pieces[0], event.where)
            elif self._transaction.supported:
                yield from self._keep(event.pieces, self._transaction)
        else:
            id = event.text.partition(event.delimiters.element)[0]
            if claim is not None:
                yield from self._end_claim(claim, cut_off=id == b"ISA")
            if id in _ENVELOPE:
                yield from self._take_envelope(id, event)
            elif self._transaction is None:
                yield from self._outside(event.text, event.where)
            elif self._transaction.supported:
                yield from self._inside(id, event, self._transaction)

    def close(self) -> Iterator[Item | Finding]:
        """The file has ended."""
        if self.claim is not None:
            yield from self._end_claim(self.claim, cut_off=True)
        yield from self._end_transaction(None, cut_off=True)
        yield from self._envelope.close()

    def _inside(self, id: bytes, segment: Segment, transaction: _Transaction) -> Iterator[Finding]:
        if id == b"CLP":
            transaction.claim_context()
            self.claim = _Claim(segment, transaction, self._max_claim)
        elif id == b"LX":
            transaction.claim_context()  # a counter only: nothing to keep
        else:
            yield from self._keep([segment.piece], transaction, header=id != b"PLB")

    @staticmethod
    def _keep(pieces: list[bytes], transaction: _Transaction, *, header: bool = True) -> Iterator[Finding]:
        finding = transaction.keep(pieces, header=header and transaction.context is None)
        if finding is not None:
            yield finding

    def _outside(self, piece: bytes, where: str) -> Iterator[Finding]:
        if not self._stray:
            what = "segments outside any transaction"
            yield Finding(reason="stray-segments", what=what, where=where, body=piece[:MAX_EVIDENCE])
        self._stray = True

    def _take_envelope(self, id: bytes, segment: Segment) -> Iterator[Item | Finding]:
        elements = segment.elements()
        self._stray = False
        if id == b"SE" and self._transaction is not None:
            yield from self._end_transaction(segment, cut_off=False)
        else:
            yield from self._end_transaction(None, cut_off=id == b"ISA")
        yield from self._envelope.take(segment, elements)
        if id == b"ISA":
            self._isa, self._gs = segment.text, b""
        elif id == b"GS":
            self._gs = segment.text
        elif id == b"ST":
            supported = element(elements, 1) == "835"
            self._transaction = _Transaction(self._isa, self._gs, segment, self._envelope.control, supported=supported)
            if not supported:
                what = "only transaction set 835 is read; this one is left out"
                yield Finding(reason="unsupported-transaction", what=what, where=segment.where, body=segment.text)

    def _end_claim(self, claim: _Claim, *, cut_off: bool) -> Iterator[Item | Finding]:
        self.claim, transaction = None, claim.transaction
        body = _joined(claim.pieces, claim.first)
        transaction.totals.add(claim.read(body))
        twin = self._twins.seen(claim.key, transaction.control)
        if cut_off or claim.damaged:
            what = "the file ends inside this claim" if cut_off else "a segment of this claim could not be read"
            yield Finding(reason="truncated", what=what, where=claim.first.where, body=body)
        elif claim.too_long:
            what = f"a claim is longer than {self._max_claim} bytes"
            yield Finding(reason="limit-exceeded", what=what, where=claim.first.where, body=claim.first.text)
        else:
            context = transaction.claim_context()
            if twin:
                context += _segment(claim.first, "ORDINAL", claim.ordinal)
            yield Item(
                body=body,
                kind=CLAIM,
                control_id=f"{transaction.control}/{claim.ordinal}",
                order_key=claim.order_key or None,
                context=context,
                offset=claim.first.offset,
            )

    def _end_transaction(self, se: Segment | None, *, cut_off: bool) -> Iterator[Item | Finding]:
        transaction, self._transaction = self._transaction, None
        if transaction is None or not transaction.supported:
            return
        pieces = transaction.header + transaction.summary + ([se.piece] if se else [])
        body = _joined(pieces, transaction.st)
        if cut_off:
            what = "the file ends inside this transaction: its claims are kept, its totals are unknown"
            yield Finding(reason="truncated", what=what, where=transaction.st.where, body=body)
            return
        sums = transaction.totals
        yield Item(
            body=body,
            kind=REMITTANCE,
            control_id=transaction.control,
            order_key=None,
            offset=transaction.st.offset,
            context=transaction.envelope
            + _segment(
                transaction.st,
                "TOTALS",
                sums.claims,
                sums.charge,
                sums.paid,
                sums.responsibility,
                sums.claims_off,
                sums.lines_off,
                sums.unread,
            ),
        )


class _Twins:
    """Finds claims of one transaction that share CLP01, CLP02 and CLP07, in 8 MiB however many there are.

    A bit set by another claim makes a twin of one that is none. That costs a few bytes of context and changes no
    result, since the answer depends on the file alone.
    """

    _BITS = 1 << 26

    def __init__(self) -> None:
        self._map = bytearray()

    def seen(self, key: str, transaction: str) -> bool:
        """Whether a claim like this was here before; it is from now on."""
        self._map = self._map or bytearray(self._BITS // 8)
        place = zlib.crc32(f"{transaction}/{key}".encode()) % self._BITS
        bit = 1 << (place & 7)
        before = self._map[place >> 3] & bit
        self._map[place >> 3] |= bit
        return bool(before)


def _joined(pieces: list[bytes], like: Segment) -> bytes:
    """The bytes of the file from the first piece's text to the last one's terminator."""
    terminator = like.delimiters.segment
    return (terminator.join(pieces) + terminator).lstrip(_BLANKS)


def _segment(like: Segment, *elements: object) -> bytes:
    """A segment of our own in the interchange's delimiters."""
    marks = like.delimiters
    return marks.element.join(str(one).encode() for one in elements) + marks.segment


def is_835(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is X12 and, as far as can be seen, holds remittances.

    A broken header at the very beginning counts, so that cutting can say what is wrong with it.
    """
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    found = start.startswith(b"ISA") and not start[3:4].isalnum()
    for event in SegmentReader().feed(head):
        if isinstance(event, Segment):
            found = True
            elements = event.elements()
            if elements[0] in {"GS", "ST"}:
                return element(elements, 1) in {"HP", "835"}
    return found
