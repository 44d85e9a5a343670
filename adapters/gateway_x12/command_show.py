"""A file as a tree: envelopes, hierarchical levels, claims and service lines, each segment with what it is called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from gateway.model.exchange import Finding
from gateway.wire.x12 import SegmentReader

NAMES = {
    "AAA": "rejection", "AK1": "group answered", "AK2": "transaction answered", "AK9": "verdict on the group",
    "AMT": "amount", "BHT": "purpose", "BPR": "payment", "CAS": "adjustments", "CLM": "claim", "CLP": "claim payment",
    "DMG": "birth date and sex", "DTM": "date", "DTP": "date", "EB": "benefit", "EQ": "question", "GE": "end of group",
    "GS": "functional group", "HCR": "decision", "HI": "diagnoses", "HL": "level", "HSD": "quantity of services",
    "IEA": "end of interchange", "III": "more about it", "IK3": "segment objected to", "IK4": "element objected to",
    "IK5": "verdict on the transaction", "INS": "relationship", "ISA": "interchange", "LQ": "remark", "LX": "line",
    "MIA": "inpatient remarks", "MOA": "outpatient remarks", "MSG": "message", "N1": "party", "N3": "street",
    "N4": "town", "NM1": "name", "NTE": "note", "PAT": "patient", "PER": "contact", "PLB": "provider adjustments",
    "PRV": "provider", "QTY": "count", "REF": "reference", "SBR": "subscriber", "SE": "end of transaction",
    "ST": "transaction", "STC": "status", "SV1": "service", "SV2": "service", "SV3": "service", "SVC": "service paid",
    "TA1": "interchange answered", "TRN": "trace", "UM": "review",
}  # fmt: skip
"""Segments in our own words."""
_DEPTH = {"ISA": 0, "TA1": 1, "GS": 1, "ST": 2, "SE": 2, "GE": 1, "IEA": 0}
_LEVELS = {"20": 3, "21": 4, "19": 5, "22": 6, "PT": 6, "23": 7, "EV": 8, "SS": 9}
_LOOPS = {"CLP": 4, "CLM": 8, "LX": 3, "SVC": 5, "AK2": 3}
_LINE_IN_CLAIM = 9


class Branch(Struct):
    """One segment, or something that could not be read, and how deep it stands."""

    depth: int
    text: str
    where: str
    name: str = ""
    finding: str = ""


def tree(pieces: Iterable[bytes]) -> Iterator[Branch]:
    """The segments of a file in order, each with its depth."""
    reader, depth, base = SegmentReader(), 0, 3
    in_claim = False
    for events in (*(reader.feed(piece) for piece in pieces), reader.close()):
        for event in events:
            if isinstance(event, Finding):
                yield Branch(0, "", event.where, finding=f"{event.what} ({event.reason})")
                continue
            elements = event.elements()  # type: ignore[union-attr]  # without ids that stand apart there are no runs
            id = elements[0]
            if id in _DEPTH:
                depth, base, in_claim = _DEPTH[id], _DEPTH[id] + 1, False
            elif id == "HL":
                depth = _LEVELS.get(elements[3] if len(elements) > 3 else "", 6)
                base, in_claim = depth + 1, False
            elif id in _LOOPS:
                in_claim = in_claim or id == "CLM"
                depth = _LINE_IN_CLAIM if id == "LX" and in_claim else _LOOPS[id]
                base = depth + 1
            else:
                depth = base
            yield Branch(depth, event.delimiters.element.decode().join(elements), event.where, NAMES.get(id, ""))


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """The tree as lines of text."""
    for one in tree(pieces):
        if one.finding:
            yield f"!! {one.where}: {one.finding}"
        else:
            yield f"{'  ' * one.depth}{one.text}" + (f"    [{one.name}]" if one.name else "")
