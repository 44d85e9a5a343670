"""TA1 and 999 for an interchange that came in: what its envelope alone shows. Pure.

The 999 says of every transaction set whether its trailer closes it: control numbers and counts (IK5), and the same of
the group (AK9). What is inside a set is judged by whoever reads it.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from gateway.model.exchange import Finding
from gateway.wire.x12 import Segment, SegmentReader
from gateway.wire.x12_write import Body, TransactionSet


class _Set(Struct):
    id: str
    control: str
    version: str
    segments: int = 1
    errors: list[str] = []
    closed: bool = False


class _Group(Struct):
    elements: list[str]
    sets: list[_Set] = []
    errors: list[str] = []
    closed: bool = False


class Received(Struct):
    """An interchange as its envelope describes it."""

    header: list[str]
    groups: list[_Group] = []
    note: str = "000"
    """TA105."""
    closed: bool = False

    @property
    def control(self) -> str:
        """ISA13."""
        return self.header[13].strip()


def received(data: bytes) -> list[Received]:
    """Every interchange in some bytes; what lies outside of them is left to the reader of the content."""
    reader = SegmentReader()
    found: list[Received] = []
    for event in (*reader.feed(data), *reader.close()):
        if isinstance(event, Segment):
            _take(found, [*event.elements(), "", "", ""])
        elif isinstance(event, Finding) and found and not found[-1].closed:
            found[-1].note = "022"
    for one in found:
        if not one.closed:
            one.note = "023"
    return found


def _take(found: list[Received], elements: list[str]) -> None:
    id = elements[0]
    if id == "ISA":
        found.append(Received(elements))
        return
    if not found:
        return
    interchange = found[-1]
    group = interchange.groups[-1] if interchange.groups and not interchange.groups[-1].closed else None
    one = group.sets[-1] if group and group.sets and not group.sets[-1].closed else None
    if one and id not in ("GS", "ST", "GE", "IEA"):
        one.segments += 1
    match id:
        case "GS":
            interchange.groups.append(_Group(elements))
        case "ST" if group:
            group.sets.append(_Set(elements[1], elements[2], elements[3] or group.elements[8]))
        case "SE" if one:
            _close(one, elements)
        case "GE" if group:
            _close_group(group, elements)
        case "IEA":
            _close_interchange(interchange, elements)


def _close(one: _Set, elements: list[str]) -> None:
    one.closed = True
    if elements[1].strip().lstrip("0") != str(one.segments):
        one.errors.append("4")
    if elements[2].strip() != one.control.strip():
        one.errors.append("3")


def _close_group(group: _Group, elements: list[str]) -> None:
    group.closed = True
    if elements[1].strip().lstrip("0") != str(len(group.sets)):
        group.errors.append("5")
    if elements[2].strip() != group.elements[6].strip():
        group.errors.append("4")


def _close_interchange(interchange: Received, elements: list[str]) -> None:
    interchange.closed = True
    if elements[2].strip() != interchange.control:
        interchange.note = "001"
    elif (elements[1].strip().lstrip("0") or "0") != str(len(interchange.groups)):
        interchange.note = "021"


def interchange_acknowledgement(one: Received, note: str = "") -> Body:
    """TA1: accepted, or rejected with the first reason; ``note`` is one that only the receiver knows (025 a repeat)."""
    code = note or one.note
    return ("TA1", one.control, one.header[9], one.header[10], "A" if code == "000" else "R", code)


def functional_acknowledgements(interchanges: Iterable[Received]) -> list[TransactionSet]:
    """One 999 for each functional group, none for groups that are acknowledgements themselves (FA)."""
    return [
        TransactionSet(id="999", version="005010X231A1", body=tuple(_group(group)))
        for interchange in interchanges
        for group in interchange.groups
        if group.elements[1] != "FA"
    ]


def _group(group: _Group) -> list[Body]:
    elements = group.elements
    body: list[Body] = [("AK1", elements[1], elements[6].strip(), elements[8])]
    accepted = 0
    for one in group.sets:
        errors = one.errors if one.closed else ["2"]
        accepted += not errors
        body += [("AK2", one.id, one.control, one.version), ("IK5", "R" if errors else "A", *errors[:5])]
    errors = group.errors if group.closed else ["3"]
    verdict = "A" if accepted == len(group.sets) and not errors else "P" if accepted else "R"
    count = str(len(group.sets))
    body.append(("AK9", verdict, count, count, str(accepted), *errors[:5]))
    return body
