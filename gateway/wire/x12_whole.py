"""Messages of an X12 file put together again, as an interchange that others can read.

Claims of an 835, the whole of one, and claims of an 837 are what a file was cut into. Every segment of sender and payer
stands as it was received; what only counts (LX, SE, GE, IEA, HL01 and HL02) is made anew, since a part of a file has
other counts than the file. Segments of our own are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.errors import InvalidContent
from gateway.model.exchange import Raw
from gateway.wire.x12_835_cut import CLAIM, REMITTANCE
from gateway.wire.x12_header import ISA_LENGTH, Delimiters

SUBMITTED = "837 claim"
KINDS = frozenset({CLAIM, REMITTANCE, SUBMITTED})
"""Kinds of messages that can be put together."""
_OURS = frozenset({b"TOTALS", b"ORDINAL", b"CORRECTS", b"SENT", b"KEY", b"ADDRESS"})
_BLANKS = b" \t\r\n"
_GROUPS = frozenset({b"TS2", b"TS3"})
Segments = list[list[bytes]]


def interchange(raw: Sequence[Raw]) -> bytes:
    """One interchange of a message and its parts.

    Raises:
        InvalidContent: the first message is of another kind, or its envelope is none (reason ``not-x12``).
    """
    first = raw[0]
    if first.kind not in KINDS or len(first.context) < ISA_LENGTH or not first.context.startswith(b"ISA"):
        raise InvalidContent("not-x12", "The message is no claim or remittance of X12", where="context")
    marks = Delimiters.read(first.context[:ISA_LENGTH])
    above = _segments(first.context, marks)
    if len(above) < 2 or above[1][0] != b"GS":
        raise InvalidContent("not-x12", "The message's envelope has no GS", where="context")
    isa, gs, header = above[0], above[1], above[2:]
    body = _segments(first.body, marks)
    if first.kind == REMITTANCE:
        claims = [_segments(one.body, marks) for one in raw[1:] if one.kind == CLAIM]
        begin = next((_segments(one.context, marks)[2:] for one in raw[1:] if one.kind == CLAIM), body)
        inside = _remittance(body, len(begin), claims)
    elif first.kind == CLAIM:
        inside = [*header, [b"LX", b"1"], *body]
    else:
        inside = _renumbered([*header, *body])
    return _written(isa, gs, inside, marks)


def _remittance(body: Segments, begin: int, claims: Sequence[Segments]) -> Segments:
    """Header, provider summaries in loops of their own, claims under the last of them, what adjusts the whole."""
    header, after = body[:begin], [one for one in body[begin:] if one[0] != b"SE"]
    header = [one for one in header if one[0] != b"SE"]
    loops: list[Segments] = []
    for one in after:
        if one[0] == b"TS3" or (one[0] in _GROUPS and not loops):
            loops.append([one])
        elif one[0] in _GROUPS:
            loops[-1].append(one)
    if claims and not loops:
        loops = [[]]
    counted = [part for number, loop in enumerate(loops, 1) for part in ([b"LX", b"%d" % number], *loop)]
    rest = [one for one in after if one[0] not in _GROUPS]
    return [*header, *counted, *(part for claim in claims for part in claim), *rest]


def _renumbered(segments: Segments) -> Segments:
    """Levels numbered from 1, as a file's must be, under the same parents."""
    numbers: dict[bytes, bytes] = {}
    made: Segments = []
    for one in segments:
        if one[0] == b"HL" and len(one) > 3:
            numbers[one[1]] = b"%d" % (len(numbers) + 1)
            one = [b"HL", numbers[one[1]], numbers.get(one[2], one[2]), *one[3:]]  # noqa: PLW2901 - the same level
        made.append(one)
    return made


def _written(isa: list[bytes], gs: list[bytes], inside: Segments, marks: Delimiters) -> bytes:
    control = inside[0][2] if inside and inside[0][0] == b"ST" and len(inside[0]) > 2 else b"0001"
    trailer = [b"SE", b"%d" % (len(inside) + 1), control]
    ends = [trailer, [b"GE", b"1", gs[6] if len(gs) > 6 else b"1"], [b"IEA", b"1", isa[13]]]
    return b"".join(marks.element.join(one) + marks.segment for one in (isa, gs, *inside, *ends))


def _segments(text: bytes, marks: Delimiters) -> Segments:
    """The segments of the file as elements, without our own."""
    pieces: Iterable[bytes] = (piece.strip(_BLANKS) for piece in text.split(marks.segment))
    found = [piece.split(marks.element) for piece in pieces if piece]
    return [one for one in found if one[0] not in _OURS]
