"""Cuts an 835 into messages of one claim each, in bounded memory.

A claim message is one claim loop (CLP up to the next claim) exactly as it stands in the file. Its context, the same
for all claims of a transaction, holds ISA, GS and the transaction's header up to the first LX or CLP. When a
transaction ends, one more message follows for the remittance: header, provider summaries (TS2, TS3), PLB and SE; its
context holds ISA, GS and what the claims added up to, as a segment of our own (TOTALS).

Two more segments of our own may end a claim's context: ORDINAL, its place in the transaction when another claim there
has the same numbers, and CORRECTS, when a reversal (CLP02 22) of the same patient control number went before it: the
reversal's CLP07 and, if it has one, its ordinal.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from functools import lru_cache

from gateway.errors import InvalidContent
from gateway.model.exchange import Finding, Item
from gateway.wire.x12 import Run, Segment, text_of
from gateway.wire.x12_835 import ClaimBalance, Totals, claim_balance, element
from gateway.wire.x12_transaction import Opened

CLAIM = "835 claim"
REMITTANCE = "835 remittance"
MAX_HEADER = 256 * 1024
"""Bytes of a transaction's header or of its summaries; a few KiB are usual."""
_BLANKS = b" \t\r\n"
MAX_REVERSALS = 4096
"""Reversals of one transaction that wait for the claim that corrects them; payers send it next."""


class _Claim:
    """A claim loop that is being read."""

    def __init__(self, clp: Segment, ordinal: int, most: int) -> None:
        self.first = clp
        self.ordinal = ordinal
        self.pieces = [clp.piece]
        self.damaged = False
        self._left = most - len(clp.text) - 1
        self.key = ("", "", "")
        self.order_key = ""

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
        self.key = element(clp, 1), element(clp, 2), element(clp, 7)
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


class RemittanceCutter:
    """Cuts one 835; holds one claim and one header."""

    def __init__(self, opened: Opened, max_claim: int, twins: Twins) -> None:
        self.opened = opened
        self._max_claim = max_claim
        self._twins = twins
        self._claim: _Claim | None = None
        self._header = [opened.st.piece]
        self._counter = b"LX" + opened.st.delimiters.element
        self._summary: list[bytes] = []
        self._kept = 0
        self._context: bytes | None = None
        self._reversals: dict[str, tuple[str, object]] = {}
        self.totals = Totals()

    def take(self, id: bytes, segment: Segment) -> Iterator[Item | Finding]:
        """Follow a segment that stands apart; every one of them ends the claim before it."""
        if self._claim is not None:
            yield from self._end_claim(self._claim, cut_off=False)
        if id == b"CLP":
            self._claim_context()
            self._claim = _Claim(segment, self.totals.claims + 1, self._max_claim)
        else:
            yield from self._keep([segment.piece], header=id != b"PLB")

    def run(self, run: Run) -> Iterator[Item | Finding]:
        """Follow segments of a claim, or of the header or the summaries."""
        if self._claim is not None:
            self._claim.add(run)
        else:
            yield from self._keep(run.pieces)

    def damage(self) -> None:
        """A segment of the claim is missing."""
        if self._claim is not None:
            self._claim.damaged = True

    def end(self, se: Segment | None, *, cut_off: bool) -> Iterator[Item | Finding]:
        """The transaction has ended: its last claim and the remittance."""
        if self._claim is not None:
            yield from self._end_claim(self._claim, cut_off=cut_off)
        opened = self.opened
        body = opened.joined(self._header + self._summary + ([se.piece] if se else []))
        if cut_off:
            what = "the file ends inside this transaction: its claims are kept, its totals are unknown"
            yield Finding(reason="truncated", what=what, where=opened.st.where, body=body)
            return
        sums = self.totals
        totals = sums.claims, sums.charge, sums.paid, sums.responsibility, sums.claims_off, sums.lines_off, sums.unread
        yield Item(
            body=body,
            kind=REMITTANCE,
            control_id=opened.control,
            order_key=None,
            offset=opened.st.offset,
            context=opened.envelope + opened.segment("TOTALS", *totals),
        )

    def _claim_context(self) -> bytes:
        """The context of every claim: one object, made when the header is complete."""
        if self._context is None:
            self._context = self.opened.envelope + self.opened.joined(self._header)
        return self._context

    def _keep(self, pieces: list[bytes], *, header: bool = True) -> Iterator[Finding]:
        """Hold segments for the remittance, up to the limit; a finding when the first one is too much."""
        room = self._kept <= MAX_HEADER
        for piece in pieces:
            if piece.lstrip(_BLANKS).startswith(self._counter):
                self._claim_context()  # a counter only: nothing to keep
                continue
            self._kept += len(piece) + 1
            if self._kept <= MAX_HEADER:
                (self._header if header and self._context is None else self._summary).append(piece)
        if room and self._kept > MAX_HEADER:
            what = f"a transaction has more than {MAX_HEADER} bytes outside its claims"
            yield Finding(reason="limit-exceeded", what=what, where=f"transaction of {self.opened.st.where}")

    def _end_claim(self, claim: _Claim, *, cut_off: bool) -> Iterator[Item | Finding]:
        self._claim, opened = None, self.opened
        if claim.pieces[-1].lstrip(_BLANKS).startswith(self._counter):
            claim.pieces.pop()  # it counts what follows
        body = opened.joined(claim.pieces)
        self.totals.add(claim.read(body))
        twin = self._twins.seen("\0".join(claim.key), opened.control)
        if cut_off or claim.damaged:
            what = "the file ends inside this claim" if cut_off else "a segment of this claim could not be read"
            yield Finding(reason="truncated", what=what, where=claim.first.where, body=body)
        elif claim.too_long:
            what = f"a claim is longer than {self._max_claim} bytes"
            yield Finding(reason="limit-exceeded", what=what, where=claim.first.where, body=claim.first.text)
        else:
            context = self._claim_context()
            if twin:
                context += opened.segment("ORDINAL", claim.ordinal)
            context += self._paired(claim, claim.ordinal if twin else "")
            yield Item(
                body=body,
                kind=CLAIM,
                control_id=f"{opened.control}/{claim.ordinal}",
                order_key=claim.order_key or None,
                context=context,
                offset=claim.first.offset,
            )

    def _paired(self, claim: _Claim, ordinal: object) -> bytes:
        """A segment that names the reversal this claim corrects; nothing for most."""
        number, status, payer_number = claim.key
        if status == "22":
            if len(self._reversals) < MAX_REVERSALS:
                self._reversals[number] = payer_number, ordinal
        elif self._reversals and (found := self._reversals.pop(number, None)):
            return self.opened.segment("CORRECTS", *found)
        return b""


class Twins:
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
