"""The header of an X12 interchange: 106 characters of fixed form, which name the delimiters of everything behind it."""

from __future__ import annotations

import re

from msgspec import Struct

from gateway.errors import MalformedEnvelope

ISA_LENGTH = 106
"""Characters of an interchange header, terminator included."""

_ISA_WIDTHS = (2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1)
HEADER = re.compile(rb"ISA(.)" + rb"\1".join(rb"(?:(?!\1).){%d}" % width for width in _ISA_WIDTHS), re.DOTALL)
"""A header by its form alone; its delimiters may still be refused."""


class Delimiters(Struct, frozen=True, kw_only=True):
    """The four delimiters of one interchange, one byte each."""

    element: bytes
    component: bytes
    segment: bytes
    repetition: bytes | None
    """None where ISA11 holds a letter or digit: versions before 00402 had no repetition separator."""

    @classmethod
    def read(cls, isa: bytes) -> Delimiters:
        """Read the delimiters from the first 106 bytes of an interchange.

        Raises ``MalformedEnvelope`` when the fixed form is broken or a delimiter could also be data.
        """
        if len(isa) < ISA_LENGTH or not isa.startswith(b"ISA"):
            raise MalformedEnvelope("truncated-header", "the header has fewer than 106 characters", where="ISA")
        element, component, segment = isa[3:4], isa[104:105], isa[105:106]
        place = 3
        for number, width in enumerate(_ISA_WIDTHS, 1):
            end = place + 1 + width
            if isa[place : place + 1] != element or element in isa[place + 1 : end]:
                raise MalformedEnvelope(
                    "malformed-header",
                    "the header does not have 16 elements of fixed width",
                    where=f"ISA{number:02d}",
                    fix="ask the sender for headers padded to 106 characters",
                )
            place = end
        repetition = None if isa[82:83].isalnum() else isa[82:83]
        _refuse_hostile(element, component, segment, repetition)
        return cls(element=element, component=component, segment=segment, repetition=repetition)


def _refuse_hostile(element: bytes, component: bytes, segment: bytes, repetition: bytes | None) -> None:
    named = {"element separator": element, "component separator": component, "segment terminator": segment}
    if repetition is not None:
        named["repetition separator"] = repetition
    for name, mark in named.items():
        line_break = mark in b"\r\n" and name != "segment terminator"
        if mark.isalnum() or mark in b" \t\0-+." or mark[0] >= 0x7F or line_break:
            raise MalformedEnvelope("hostile-delimiter", f"the {name} could also be data", where="ISA")
    if len(set(named.values())) < len(named):
        raise MalformedEnvelope("hostile-delimiter", "two delimiters are the same character", where="ISA")
