"""X12 interchanges as bytes: segments in, envelope, control numbers and counts around them.

X12 has no escape. A value that holds one of the four delimiters, or a control character, cannot be written and is
refused with its place; :func:`plain` makes text such as a name fit to be written.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct

from gateway.errors import InvalidContent
from gateway.wire.x12_header import Delimiters

Element = str | tuple[str, ...]
"""Text, or the components of a composite; a repeated element is one text with the repetition separator in place."""
Body = tuple[Element, ...]
"""A segment: its id, then its elements."""

USUAL = Delimiters(element=b"*", component=b":", segment=b"~", repetition=b"^")
MAX_CONTROL = 999_999_999
GROUPS = {
    "837": "HC",
    "835": "HP",
    "270": "HS",
    "271": "HB",
    "276": "HR",
    "277": "HN",
    "278": "HI",
    "999": "FA",
    "997": "FA",
}
"""Functional identifier code of each transaction set (GS01)."""

_KEPT = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !\"&'()+,-./;?=%@#$_")
"""Upper-case letters and the marks that no usual delimiter is made of."""


class TransactionSet(Struct, frozen=True, kw_only=True):
    """One transaction: what stands between ST and SE."""

    id: str
    """ST01."""
    version: str
    """The guide: GS08, and ST03 in every set but the 835."""
    body: tuple[Body, ...]


class Envelope(Struct, frozen=True, kw_only=True):
    """Who sends to whom, when, under which number."""

    sender: str
    receiver: str
    control: int
    """ISA13 and GS06: 1 to 999,999,999."""
    made: datetime
    """In the sender's zone."""
    sender_qualifier: str = "ZZ"
    receiver_qualifier: str = "ZZ"
    group_sender: str = ""
    """GS02 where it differs from ISA06."""
    group_receiver: str = ""
    """GS03 where it differs from ISA08."""
    production: bool = False
    acknowledge: bool = False
    """Whether a TA1 is asked for (ISA14)."""
    delimiters: Delimiters = USUAL


def interchange(envelope: Envelope, sets: Sequence[TransactionSet], *, ta1: Sequence[Body] = ()) -> bytes:
    """One interchange with one functional group for consecutive sets of one kind and guide.

    Raises:
        InvalidContent: a value cannot be written (reason ``not-writable``); the error names the place.
    """
    writer = _Writer(envelope.delimiters)
    writer.isa(envelope)
    for segment in ta1:
        writer.add(segment)
    groups = _grouped(sets)
    for number, group in enumerate(groups):
        _write_group(writer, envelope, group, envelope.control + number)
    writer.add(("IEA", str(len(groups)), f"{envelope.control:09d}"))
    return bytes(writer.out)


def _grouped(sets: Sequence[TransactionSet]) -> list[list[TransactionSet]]:
    groups: list[list[TransactionSet]] = []
    for one in sets:
        if groups and (groups[-1][0].id, groups[-1][0].version) == (one.id, one.version):
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _write_group(writer: _Writer, envelope: Envelope, sets: Sequence[TransactionSet], control: int) -> None:
    first = sets[0]
    who = envelope.group_sender or envelope.sender, envelope.group_receiver or envelope.receiver
    when = f"{envelope.made:%Y%m%d}", f"{envelope.made:%H%M}"
    writer.add(("GS", GROUPS[first.id], *who, *when, str(control), "X", first.version))
    for number, one in enumerate(sets, 1):
        names = (f"{number:04d}",) if one.id == "835" else (f"{number:04d}", one.version)
        writer.add(("ST", one.id, *names))
        for segment in one.body:
            writer.add(segment)
        writer.add(("SE", str(len(one.body) + 2), f"{number:04d}"))
    writer.add(("GE", str(len(sets)), str(control)))


class _Writer:
    def __init__(self, marks: Delimiters) -> None:
        self.out = bytearray()
        self._element, self._end = marks.element.decode(), marks.segment.decode()
        self._component = marks.component.decode()
        self._repetition = marks.repetition.decode() if marks.repetition else ""
        self._hostile = {self._element, self._end, self._component}
        self._number = 0

    def isa(self, envelope: Envelope) -> None:
        """The header, each element padded to its width."""
        if not 1 <= envelope.control <= MAX_CONTROL:
            raise InvalidContent("not-writable", "The control number has not one to nine digits", where="ISA13")
        for place, text, most in (("ISA06", envelope.sender, 15), ("ISA08", envelope.receiver, 15)):
            if not 0 < len(text) <= most or not text.isascii():
                raise InvalidContent("not-writable", f"The id has not 1 to {most} characters", where=place)
        self._raw(
            "ISA", "00", " " * 10, "00", " " * 10,
            envelope.sender_qualifier, f"{envelope.sender:15}", envelope.receiver_qualifier, f"{envelope.receiver:15}",
            f"{envelope.made:%y%m%d}", f"{envelope.made:%H%M}", self._repetition or "U", "00501",
            f"{envelope.control:09d}", "1" if envelope.acknowledge else "0", "P" if envelope.production else "T",
            self._component,
        )  # fmt: skip

    def add(self, segment: Body) -> None:
        """One segment; empty elements at its end are left out, as are empty components at a composite's end."""
        parts = [self._one(segment[0], number, element) for number, element in enumerate(segment)]
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        self._raw(*parts)

    def _one(self, id: Element, number: int, element: Element) -> str:
        texts = (element,) if isinstance(element, str) else element
        for text in texts:
            if any(sign in self._hostile or not " " <= sign <= "~" for sign in text):
                raise InvalidContent(
                    "not-writable",
                    "The value holds a delimiter, or a character that X12 does not carry",
                    where=f"{id}{number:02d}, segment {self._number + 1}",
                    fix="Correct it at its source.",
                )
        return self._component.join(texts).rstrip(self._component) if len(texts) > 1 else texts[0]

    def _raw(self, *parts: str) -> None:
        self._number += 1
        self.out += (self._element.join(parts) + self._end).encode("ascii")


def plain(text: str | None, most: int) -> str:
    """Text as X12 carries it: capitals without accents, other marks as blanks, at most ``most`` characters."""
    flat = unicodedata.normalize("NFKD", text or "").upper()
    kept = (sign if sign in _KEPT else " " for sign in flat if not unicodedata.combining(sign))
    return " ".join("".join(kept).split())[:most].rstrip()


def number(value: Decimal | int) -> str:
    """A decimal without trailing zeros and without a point at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def day(value: date) -> str:
    """CCYYMMDD."""
    return f"{value:%Y%m%d}"


def period(first: date, last: date | None) -> tuple[str, str]:
    """Qualifier and text of a day or a range of days: D8 or RD8."""
    return ("D8", day(first)) if last is None or last == first else ("RD8", f"{day(first)}-{day(last)}")
