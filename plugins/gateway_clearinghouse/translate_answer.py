"""What an answer that came back at once means for the document that was sent. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.model.exchange import Delivered, Item, Outcome, Rejected, Retry
from gateway.wire.x12 import Segment, SegmentReader
from gateway.wire.x12_cut import cut

MAX_MESSAGE = 1024 * 1024
PAYER_WAIT = 300.0
"""Seconds before a payer that could not answer is asked again."""

_LATER = frozenset({"42", "80"})
"""AAA03: the payer cannot respond now, or did not; the same question may be asked again."""
_REPEATED = "025"
"""TA105: an interchange with this control number came before: it is there."""


def verdict(receipt: str, answer: bytes) -> Outcome:
    """Delivered with the answer's messages; refused when the answer is a refusal; later when the payer is down."""
    if not answer:
        return Delivered(receipt)
    refused = ""
    for elements in _segments(answer):
        match elements[0]:
            case "TA1" if elements[4] == "R" and elements[5] != _REPEATED:
                refused = refused or f"ta1-{_word(elements[5])}"
            case "AK9" if elements[1] in ("R", "M", "W", "X"):
                refused = refused or "999-rejected"
            case "AAA" if elements[3] in _LATER:
                return Retry("payer-cannot-answer-now", PAYER_WAIT)
    if refused:
        return Rejected(refused)
    return Delivered(receipt, messages(answer))


def messages(interchange: bytes) -> tuple[Item, ...]:
    """What an interchange holds, as messages of the source that keeps it."""
    return tuple(part for part in cut([interchange], MAX_MESSAGE) if isinstance(part, Item))


def _segments(data: bytes) -> Iterator[list[str]]:
    reader = SegmentReader()
    for event in (*reader.feed(data), *reader.close()):
        if isinstance(event, Segment):
            yield [*event.elements(), "", "", "", "", ""]


def _word(code: str) -> str:
    return code if code.isdecimal() and len(code) == 3 else "unknown"
