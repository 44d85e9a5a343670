"""What every cutter of a transaction set starts from, and how it is spoken to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from gateway.model.exchange import Finding, Item
from gateway.wire.x12 import Run, Segment

_BLANKS = b" \t\r\n"


class Opened(Struct, frozen=True):
    """A transaction that has begun, and the envelope it stands in."""

    st: Segment
    envelope: bytes
    """ISA and GS as they stand in the file, each with its terminator."""
    control: str
    """ISA13, GS06 and ST02: its name within a sender's files."""

    def joined(self, pieces: list[bytes]) -> bytes:
        """The bytes of the file from the first piece's text to the last one's terminator."""
        terminator = self.st.delimiters.segment
        return (terminator.join(pieces) + terminator).lstrip(_BLANKS)

    def segment(self, *elements: object) -> bytes:
        """A segment of our own in the interchange's delimiters."""
        marks = self.st.delimiters
        return marks.element.join(str(one).encode() for one in elements) + marks.segment

    def broken(self, body: bytes, where: str, *, cut_off: bool, too_long: bool) -> Finding:
        """Why a message is kept as evidence instead of being read."""
        if cut_off:
            return Finding(reason="truncated", what="the file ends inside this message", where=where, body=body)
        if too_long:
            what = "a message is longer than the source's limit"
            fix = "raise max_claim_bytes in the source's settings if the sender means it, and bring the file in again"
            return Finding(reason="limit-exceeded", what=what, where=where, fix=fix, body=body[:4096])
        return Finding(reason="truncated", what="a segment of this message could not be read", where=where, body=body)


class SetCutter(Protocol):
    """Cuts one transaction of its set into messages."""

    def take(self, id: bytes, segment: Segment) -> Iterator[Item | Finding]:
        """Follow a segment that stands apart; what it completes comes out."""

    def run(self, run: Run) -> Iterator[Item | Finding]:
        """Follow consecutive segments none of which stands apart."""

    def damage(self) -> None:
        """A segment of the message being read could not be read itself."""

    def end(self, se: Segment | None, *, cut_off: bool) -> Iterator[Item | Finding]:
        """The transaction has ended: with its trailer, without one, or ``cut_off`` by the end of the file."""
