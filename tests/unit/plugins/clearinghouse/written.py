"""Documents as files, and files as segments again."""

from __future__ import annotations

from gateway.wire.x12 import Segment, SegmentReader
from gateway.wire.x12_write import Envelope, TransactionSet, interchange
from gateway_clearinghouse.translate_parties import Document
from tests.unit.plugins.clearinghouse.submissions import AT

ENVELOPE = Envelope(sender="SUBM001", receiver="CH001", control=201, made=AT)


def file(*documents: Document | TransactionSet) -> bytes:
    return interchange(ENVELOPE, [TransactionSet(id=one.id, version=one.version, body=one.body) for one in documents])


def segments(data: bytes) -> list[list[str]]:
    """What our own reader makes of a file; anything it complains about fails the test."""
    reader = SegmentReader()
    events = [*reader.feed(data), *reader.close()]
    assert all(isinstance(event, Segment) for event in events), events
    return [event.elements() for event in events]


def as_read(document: Document | TransactionSet) -> list[list[str]]:
    """A document's segments as a reader should find them."""
    read = []
    for segment in document.body:
        elements = [one if isinstance(one, str) else ":".join(one).rstrip(":") for one in segment]
        while not elements[-1]:
            elements.pop()
        read.append(elements)
    return read
