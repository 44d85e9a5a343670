"""Message bytes to loops: what cutting took apart is read with the delimiters and the header of its context.

Beside the segments of the standard, a loop holds one of ours::

    KEY*remittance id*claim payment id*patient id*version of the file*claim payment id of the reversal it corrects~

Dates that are none are left out and named as unread: a slip in a date does not hold up money.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from msgspec import Struct

from gateway.errors import InvalidContent
from gateway.wire.x12 import text_of
from gateway.wire.x12_835 import Elements, element
from gateway.wire.x12_header import ISA_LENGTH, Delimiters
from gateway.wire.x12_loop import QUALIFIED, Loop, name_of

_SHARED = frozenset({"ISA", "GS", "ST", "BPR", "TRN", "N1[PR]", "N1[PE]", "ORDINAL", "CORRECTS", "TOTALS"})
_NONE: list[Elements] = [[]]
"""Segments of a context that paths may read beside those of the message."""


class Header(Struct, frozen=True, gc=False):
    """What a context says: the delimiters, and the envelope that the message stood in."""

    element: str
    component: str
    segment: str
    shared: dict[str, list[Elements]]
    remittance: str
    """ISA06, ISA13, GS06, ST02 and the trace number: senders that reuse control numbers still get a record each."""
    payer: str
    version: str
    """When the file was made (GS04, GS05) as text that sorts by time; empty when that is no time."""
    ordinal: str
    """The claim's place in the transaction, where others there share its numbers; empty for most."""


class Claim(Struct, gc=False):
    """One claim: its loop 2100, and the segments of each service line (2110) as they stand, SVC first."""

    loop: Loop
    lines: list[list[Elements]]
    unread: list[str]


@lru_cache(maxsize=64)
def read_header(context: bytes) -> Header:
    """Read a context. Raises ``MalformedEnvelope`` when it does not begin with an interchange header."""
    marks = Delimiters.read(context[:ISA_LENGTH])
    separator, terminator = marks.element.decode(), marks.segment.decode()
    shared: dict[str, list[Elements]] = {}
    for elements in split(context, separator, terminator):
        name = name_of(elements)
        if name == "BPR" and element(elements, 16) and read_date(elements[16]) is None:
            elements[16] = ""  # told as unread by the remittance, once
        if name in _SHARED:
            shared.setdefault(name, [elements])
    return _header(separator, marks.component.decode(), terminator, shared)


def _header(separator: str, component: str, terminator: str, shared: dict[str, list[Elements]]) -> Header:
    isa, gs, st, trn, ordinal = (shared.get(name, [[]])[0] for name in ("ISA", "GS", "ST", "TRN", "ORDINAL"))
    parts = element(isa, 6), element(isa, 13), element(gs, 6), element(st, 2), element(trn, 2)
    day, time = element(gs, 4), element(gs, 5)[:4]
    return Header(
        separator,
        component,
        terminator,
        shared,
        remittance="/".join(part.strip() for part in parts),
        payer=element(trn, 3),
        ordinal=element(ordinal, 1),
        version=day + time if read_date(day) and len(time) == 4 and time.isdecimal() else "",
    )


def read_claim(body: bytes, context: bytes) -> Claim:
    """Read a claim message."""
    header = read_header(context)
    found = dict(header.shared)
    line: list[Elements] = []
    lines: list[list[Elements]] = []
    unread: list[str] = []
    for elements in split(body, header.element, header.segment):
        id = elements[0]
        if id == "SVC":
            line = [elements]
            lines.append(line)
        elif lines:
            line.append(elements)
        elif id == "DTM" and read_date(element(elements, 2)) is None:
            unread.append(f"{name_of(elements)}-02")
        else:
            name = f"{id}[{elements[1]}]" if id in QUALIFIED and len(elements) > 1 else id
            if name in found:
                found[name] = [*found[name], elements]
            else:
                found[name] = [elements]
    if "CLP" not in found:
        raise InvalidContent("no-claim", "no CLP segment", where="CLP", fix="Ask the payer for a corrected file.")
    loop = Loop(found, header.component)
    found["KEY"] = [_claim_key(found, header)]
    return Claim(loop, lines, unread)


def read_remittance(body: bytes, context: bytes) -> Claim:
    """Read a remittance message as a claim without lines."""
    header = read_header(context)
    found: dict[str, list[Elements]] = {}
    unread: list[str] = []
    for elements in split(body, header.element, header.segment):
        if elements[0] == "BPR" and element(elements, 16) and read_date(elements[16]) is None:
            elements[16] = ""
            unread.append("BPR-16")
        if elements[0] == "DTM" and read_date(element(elements, 2)) is None:
            unread.append(f"{name_of(elements)}-02")
        else:
            found.setdefault(name_of(elements), []).append(elements)
    found = {**header.shared, **found}
    whole = _header(header.element, header.component, header.segment, found)
    found["KEY"] = [["KEY", whole.remittance, "", "", whole.version]]
    return Claim(Loop(found, header.component), [], unread)


@lru_cache(maxsize=4096)
def read_date(text: str) -> date | None:
    """A date as X12 writes it (CCYYMMDD); None when it is none."""
    if len(text) != 8 or not text.isdecimal() or not text.isascii():
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def split(data: bytes, separator: str, terminator: str) -> list[Elements]:
    return [text.split(separator) for raw in text_of(data).split(terminator) if (text := raw.lstrip())]


def _claim_key(segments: dict[str, list[Elements]], header: Header) -> Elements:
    """A claim is named by CLP01, CLP02 and CLP07 within its remittance, and by its ordinal where others share these.

    A patient is named by payer, member number and given name: a family shares its number. Without a number only the
    claim tells who it is.
    """
    clp = segments["CLP"][0]
    patient, insured = segments.get("NM1[QC]", _NONE)[0], segments.get("NM1[IL]", _NONE)[0]
    member = element(patient, 9) or element(insured, 9)
    who = f"{member}/{element(patient, 4).strip().casefold()}" if member else f"claim/{element(clp, 1)}"
    claim = f"{header.remittance}/{element(clp, 1)}/{element(clp, 2)}/{element(clp, 7)}"
    if header.ordinal:
        claim = f"{claim}/{header.ordinal}"
    key = ["KEY", header.remittance, claim, f"{header.payer}/{who}", header.version]
    if "CORRECTS" in header.shared:
        _, number, ordinal = header.shared["CORRECTS"][0]
        reversal = f"{header.remittance}/{element(clp, 1)}/22/{number}"
        key.append(f"{reversal}/{ordinal}" if ordinal else reversal)
    return key
