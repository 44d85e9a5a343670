"""Claims of an 837 as they were submitted: loop 2300 by segment names, service lines (2400) as they stand.

Other payers' part of a claim (2320, 2330) has segments of the same names about other people; it is kept out of the
loop and told as unread.
"""

from __future__ import annotations

from msgspec import Struct

from gateway.wire.x12_835 import Elements, element
from gateway.wire.x12_loop import QUALIFIED
from gateway_x12.records_level import Message, Reader

OTHER_PAYER = "loop 2320"
_OF_A_NAME = frozenset({"N3", "N4", "REF", "PER", "PRV"})
_BEGIN = frozenset({"CLM"})


class Submitted(Struct, gc=False):
    """One claim."""

    message: Message
    lines: list[list[Elements]]
    """Each from LX to the next."""
    codes: list[Elements]
    """HI segments of the claim: diagnoses and others."""


def read_submitted(body: bytes, context: bytes) -> Submitted:
    """Read a claim message."""
    reader = Reader(body, context)
    reader.read(_BEGIN)
    number = element(reader.body[0], 1).strip() if reader.body else ""
    lines, codes = _claim(reader)
    return Submitted(reader.message(number), lines, codes)


def _claim(reader: Reader) -> tuple[list[list[Elements]], list[Elements]]:
    found, unread, body = reader.found, reader.unread, reader.body
    codes: list[Elements] = []
    lines: list[list[Elements]] = []
    owner = ""
    for at, elements in enumerate(body):
        id = elements[0]
        if id == "LX":
            lines = _lines(body[at:])
            break
        if id == "SBR":
            owner = OTHER_PAYER
            unread.add(OTHER_PAYER)
        elif owner == OTHER_PAYER or (id == "DTP" and not reader.dated(elements)):
            continue
        elif id == "HI":
            codes.append(elements)
        elif id == "NM1":
            owner = element(elements, 1)
            found.setdefault(f"NM1[{owner}]", [elements])
        elif owner and id in _OF_A_NAME:
            unread.add(f"{id}[{owner}]")
        elif id in QUALIFIED or id == "DTP":
            found.setdefault(f"{id}[{element(elements, 1)}]", []).append(elements)
        else:
            found.setdefault(id, [elements])
    return lines, codes


def _lines(segments: list[Elements]) -> list[list[Elements]]:
    lines: list[list[Elements]] = []
    for elements in segments:
        if elements[0] == "LX":
            lines.append([elements])
        else:
            lines[-1].append(elements)
    return lines
