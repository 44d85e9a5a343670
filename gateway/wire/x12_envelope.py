"""Whether the envelopes of an X12 file close as they were opened: interchange, functional group, transaction set.

Each trailer repeats its header's control number and counts what lies between: IEA02 = ISA13 and IEA01 groups,
GE02 = GS06 and GE01 transactions, SE02 = ST02 and SE01 segments from ST to SE. What does not agree becomes a finding;
nothing here stops the reading of a file.
"""

from __future__ import annotations

from gateway.model.exchange import Finding
from gateway.wire.x12 import Segment

_LONGEST_COUNT, _LONGEST_TOLD = 10, 6
"""Digits of SE01 at most (data element 96), and of a count that is repeated to a person."""
_PARTS = {"ISA": "interchange", "GS": "functional group", "ST": "transaction"}


class Level:
    """One open envelope: its header, and how many envelopes of the next level it has held."""

    def __init__(self, header: Segment, elements: list[str]) -> None:
        self.header = header
        self.elements = elements
        self.children = 0

    def element(self, number: int) -> str:
        """An element of the header by its number; empty when the header is shorter."""
        return self.elements[number] if number < len(self.elements) else ""


class Envelope:
    """The envelopes that are open, and what is wrong with those that were closed."""

    def __init__(self) -> None:
        self.interchange: Level | None = None
        self.group: Level | None = None
        self.transaction: Level | None = None

    @property
    def control(self) -> str:
        """ISA13, GS06 and ST02 of what is open, which name a transaction within a sender's files."""
        levels = (self.interchange, 13), (self.group, 6), (self.transaction, 2)
        return "/".join(level.element(number).strip() if level else "" for level, number in levels)

    def take(self, segment: Segment, elements: list[str]) -> list[Finding]:
        """Follow a header or trailer segment; every other segment needs no call."""
        match elements[0]:
            case "ISA":
                findings = self._unclosed(segment, self.interchange, self.group, self.transaction)
                self.interchange, self.group, self.transaction = Level(segment, elements), None, None
            case "GS":
                findings = self._unclosed(segment, self.group, self.transaction)
                self.group, self.transaction = Level(segment, elements), None
                self._count(self.interchange)
            case "ST":
                findings = self._unclosed(segment, self.transaction)
                findings += [] if self.group else [_orphan(segment, "ST", "GS")]
                self.transaction = Level(segment, elements)
                self._count(self.group)
            case "SE":
                findings = _close(segment, elements, self.transaction, number=2, counted=self._segments(segment))
                self.transaction = None
            case "GE":
                findings = self._unclosed(segment, self.transaction)
                findings += _close(segment, elements, self.group, number=6, counted=_children(self.group))
                self.group, self.transaction = None, None
            case "IEA":
                findings = self._unclosed(segment, self.group, self.transaction)
                findings += _close(segment, elements, self.interchange, number=13, counted=_children(self.interchange))
                self.interchange, self.group, self.transaction = None, None, None
            case _:
                findings = []
        return findings

    def close(self) -> list[Finding]:
        """The file has ended: whatever is still open was cut off."""
        findings = self._unclosed(None, self.interchange, self.group, self.transaction)
        self.interchange, self.group, self.transaction = None, None, None
        return findings

    def _segments(self, trailer: Segment) -> int:
        return trailer.number - self.transaction.header.number + 1 if self.transaction else 0

    @staticmethod
    def _count(parent: Level | None) -> None:
        if parent:
            parent.children += 1

    @staticmethod
    def _unclosed(before: Segment | None, *levels: Level | None) -> list[Finding]:
        """A finding for each level that is still open where ``before``, or the end of the file, says it cannot be."""
        place = before.where if before else "end of file"
        return [
            Finding(
                reason="missing-trailer",
                where=place,
                what=f"the {_PARTS[level.elements[0]]} of {level.header.where} has no trailer",
            )
            for level in levels
            if level
        ]


def _children(level: Level | None) -> int:
    return level.children if level else 0


def _orphan(segment: Segment, id: str, header: str) -> Finding:
    return Finding(reason="missing-header", what=f"{id} without {header} before it", where=segment.where)


def _close(trailer: Segment, elements: list[str], level: Level | None, *, number: int, counted: int) -> list[Finding]:
    """Compare a trailer with its header: element 2 with the header's control number, element 1 with a count."""
    id = elements[0]
    if level is None:
        return [_orphan(trailer, id, {"SE": "ST", "GE": "GS", "IEA": "ISA"}[id])]
    findings = []
    said = elements[1].strip() if len(elements) > 1 else ""
    is_count = said.isascii() and said.isdecimal() and len(said) <= _LONGEST_COUNT
    if not (is_count and int(said) == counted):
        # A longer number is another element that slipped into this one: a date, a telephone number, a member.
        says = f"a number of {len(said)} digits" if len(said) > _LONGEST_TOLD else said
        says = says if is_count else "no number"
        findings.append(
            Finding(reason="count-mismatch", what=f"{id}01 says {says}, {counted} were counted", where=trailer.where)
        )
    control = elements[2].strip() if len(elements) > 2 else ""
    if control != level.element(number).strip():
        findings.append(
            Finding(
                reason="control-number-mismatch",
                what=f"{id}02 differs from {level.elements[0]}{number:02d}",
                where=trailer.where,
            )
        )
    return findings
