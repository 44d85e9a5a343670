"""Bytes to source records: files cut into messages, messages read lazily, and what no mapping rule reads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice

from gateway.errors import MalformedEnvelope
from gateway.model.exchange import Finding, Item
from gateway.wire.hl7 import Message, Shape
from gateway.wire.hl7_batch import Piece, cut
from gateway.wire.hl7_charset import width
from gateway.wire.hl7_header import Header, peek

_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[[^\]]*\])?-(\d+)")
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")
_KIND = re.compile(r"[A-Z][A-Z0-9]{2}(?:[\^_][A-Z0-9]{3})?")
"""Message type and trigger event as tables 0076 and 0003 have them, three characters each."""
UNKNOWN = "unknown"
"""Kind of a message whose MSH-9 is none of that."""
_NAMELESS = "???"
"""Stands for a segment whose name is none: text of a field that a line end broke in two, and no place's name."""
_MOST_FIELDS = 200
"""A segment with more fields is named as a whole: no standard segment has so many."""
_MOST_REPEATS, _MOST_SEGMENTS = 50, 500
"""Segments of one name, and of all, that are looked at: a report of thousands of lines has the same places in them."""
_MOST_REMEMBERED = 4096
"""Bytes of a shape that is remembered: about as many fields, filled or not, or half of them filled."""
_ENVELOPE = frozenset({"MSH", "EVN", "BTS", "FTS", "BHS", "FHS"})
_NUMBERED = frozenset(
    {"PID", "NK1", "PV1", "NTE", "AL1", "DG1", "GT1", "IN1", "RGS", "AIS", "AIG", "AIL", "AIP", "OBX", "OBR", "ACC"}
)
"""Segments whose field 1 is their own number in the message."""


def recognize(head: bytes) -> bool:
    """Whether a file's head begins like HL7 v2: with MSH, FHS or BHS and a delimiter."""
    wide = width(head)
    if wide is not None:
        head = head[wide[0] :].decode(wide[1], "replace").encode("utf-8")
    head = head.lstrip(b" \t\r\n\x0b")
    return head[:3] in {b"MSH", b"FHS", b"BHS"} and len(head) > 3 and not head[3:4].isalnum()


def items(chunks: Iterable[bytes], limit: int) -> Iterator[Item | Finding]:
    """Cut a file into messages; what is none, and counts that are wrong, become findings."""
    envelope = _Envelope()
    for piece in cut(chunks, limit):
        if piece.oversized:
            yield Finding(
                reason="message-too-large",
                what=f"A message is longer than {limit} bytes.",
                where=f"byte {piece.offset}",
                fix="Raise max_message_bytes if such messages are expected.",
                body=piece.body,
            )
        elif piece.name == "MSH":
            envelope.messages += 1
            yield _item(piece)
        elif piece.name:
            yield from envelope.see(piece)
        else:
            yield Finding(
                reason="no-header",
                what="The bytes before the first message are not HL7.",
                where=f"byte {piece.offset}",
                body=piece.body,
            )
    yield from envelope.end()


def item(header: Header, body: bytes, offset: int = 0) -> Item:
    """A message as intake takes it; what cannot be a message type is not shown as one, for it may be a name."""
    kind = header.kind if _KIND.fullmatch(header.kind) else UNKNOWN
    return Item(body=body, kind=kind, control_id=header.control_id, order_key=header.order_key, offset=offset)


def _item(piece: Piece) -> Item | Finding:
    try:
        return item(peek(piece.body), piece.body, piece.offset)
    except MalformedEnvelope as error:
        where = f"byte {piece.offset}, {error.where}"
        return Finding(reason=error.reason, what=error.what, where=where, fix=error.fix, body=piece.body)


class _Envelope:
    """The counts of a batch file: messages since BHS and batches since FHS."""

    def __init__(self) -> None:
        self.messages = 0
        self._batches = 0
        self._open: list[str] = []

    def see(self, piece: Piece) -> Iterator[Finding]:
        """One segment of the envelope."""
        if piece.name in {"FHS", "BHS"}:
            self._open.append(piece.name)
            if piece.name == "BHS":
                self.messages = 0
                self._batches += 1
            return
        header = "BHS" if piece.name == "BTS" else "FHS"
        if header in self._open:
            self._open.remove(header)
        counted = self.messages if piece.name == "BTS" else self._batches
        narrow = piece.body.replace(b"\0", b"")  # UTF-16 writes name, delimiter and digits with zeros between them
        said = re.match(rb"[BF]TS[^A-Za-z0-9\r\n](\d{1,9})", narrow)
        if said is not None and int(said[1]) != counted:
            yield Finding(
                reason="count-mismatch",
                what=f"{piece.name}-1 does not count what the file holds: {counted} came.",
                where=f"byte {piece.offset}, {piece.name}-1",
                fix="Ask the sender whether the file is whole.",
            )

    def end(self) -> Iterator[Finding]:
        """The end of the file."""
        for name in self._open:
            yield Finding(
                reason="unfinished",
                what=f"The {name} that opens the file has no trailer.",
                where=name,
                fix="Ask the sender whether the file is whole; its messages were taken.",
            )


def kind_of(message: Message) -> str:
    """MSH-9.1 and 9.2 joined by ``^``; a missing 9.2 is taken from EVN-1."""
    fields = message.fields("MSH")
    code, _, rest = (fields[9] if len(fields) > 9 else "").partition(message.delimiters.component)
    event = rest.split(message.delimiters.component, 1)[0]
    if not event and "_" in code:
        code, _, event = code.partition("_")  # ADT_A08 for ADT^A08 is seen in the wild
    if not event:
        evn = message.fields("EVN")
        event = evn[1].strip() if len(evn) > 1 else ""
    return f"{code}^{event}" if event else code


def residue_of(covered: frozenset[str]) -> Callable[[Message], tuple[str, ...]]:
    """A function that lists the places (``SEG-n``) of a message that hold something none of ``covered`` reads."""
    read = frozenset(f"{found[1]}-{found[2]}" for found in map(_PLACE.match, covered) if found)

    # Messages of one sender fill the same fields again and again, so each shape of a message is judged once.
    @lru_cache(maxsize=512)
    def unread(shape: Shape) -> tuple[str, ...]:
        found: dict[str, None] = {}
        seen: Counter[str] = Counter()
        for name, filled in islice(_filled(shape), _MOST_SEGMENTS):
            seen[name] += 1
            if seen[name] > _MOST_REPEATS:
                continue
            if len(filled) > _MOST_FIELDS:
                found[name] = None
                continue
            first = 2 if name in _NUMBERED else 1
            places = (f"{name}-{number}" for number in range(first, len(filled)) if filled[number])
            found.update((place, None) for place in places if place not in read)
        return tuple(found)

    def residue(message: Message) -> tuple[str, ...]:
        shape = message.shape()
        return unread(shape) if len(shape.filled) <= _MOST_REMEMBERED else unread.__wrapped__(shape)

    return residue


def _filled(shape: Shape) -> Iterator[tuple[str, list[bytes]]]:
    """What is looked at: each segment's name, and what its name and fields hold."""
    for name, filled in shape.segments():
        known = name.upper()
        if known not in _ENVELOPE:
            yield known if _NAME.fullmatch(known) else _NAMELESS, filled
