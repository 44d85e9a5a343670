"""What a TA1 and a 999 say of interchanges that came in: what their envelopes alone show. Pure.

The 999 says of every transaction set whether its trailer closes it, with control number and count, and whether every
segment of it could be read (IK5), and the same of the group (AK9). What a set means is judged by whoever reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

import msgspec

from gateway.model.acknowledgement import AcknowledgedGroup, AcknowledgedSet, Acknowledgement
from gateway.model.exchange import Finding, Item
from gateway.wire.x12 import Segment, SegmentReader
from gateway.wire.x12_835 import element
from gateway.wire.x12_header import ISA_LENGTH
from gateway.wire.x12_write import Body, TransactionSet

Owed = Literal["TA1", "999"]
OWED = "acknowledgement owed"
"""Kind of the message that says what is owed for one interchange."""
ENVELOPE = frozenset({b"ISA", b"GS", b"ST", b"SE", b"GE", b"IEA"})
MOST_SETS = 1000
"""Sets of a group that are named one by one."""
MOST_REFUSED = 10 * MOST_SETS
"""The same, for sets that something is wrong with."""
_ACCEPTED = "000"
_GUIDE = "005010X231A1"


class _Set(msgspec.Struct):
    id: str
    control: str
    version: str
    begun: int
    codes: list[str]


class _Group(msgspec.Struct):
    header: list[str]
    sets: list[AcknowledgedSet]
    codes: list[str]
    received: int = 0
    accepted: int = 0


class Acknowledging:
    """Follows the envelope segments of a file; holds what is owed for the open interchange."""

    def __init__(self) -> None:
        self._isa: list[str] | None = None
        self._groups: list[AcknowledgedGroup] = []
        self._group: _Group | None = None
        self._set: _Set | None = None
        self._note = _ACCEPTED

    def take(self, segment: Segment, elements: list[str]) -> Acknowledgement | None:
        """Follow one header or trailer; a finished interchange comes out, as does one that was cut off by the next."""
        match elements[0]:
            case "ISA":
                cut_off = self.close()
                self._isa = elements
                return cut_off
            case "GS":
                self._end_group("3")
                self._group = _Group(elements, [], [])
            case "ST" if self._group:
                self._end_set("2")
                version = element(elements, 3) or element(self._group.header, 8)
                self._set = _Set(
                    element(elements, 1).strip(), element(elements, 2).strip(), version, segment.number, []
                )
            case "SE" if self._set:
                self._close_set(segment.number - self._set.begun + 1, elements)
            case "GE" if self._group:
                self._close_group(elements)
            case "IEA" if self._isa:
                return self._close_interchange(elements)
        return None

    def damage(self) -> None:
        """A segment could not be read: in a set, or in the interchange's own structure."""
        if self._set is not None:
            if "5" not in self._set.codes:
                self._set.codes.append("5")
        elif self._isa is not None and self._note == _ACCEPTED:
            self._note = "022"

    def close(self) -> Acknowledgement | None:
        """The file has ended, or another interchange begins: what is open was cut off."""
        if self._isa is None:
            return None
        self._note = "023"
        return self._ended(self._isa)

    def _close_set(self, counted: int, trailer: list[str]) -> None:
        one = self._set
        if one is None:
            return
        if element(trailer, 1).strip().lstrip("0") != str(counted):
            one.codes.append("4")
        if element(trailer, 2).strip() != one.control:
            one.codes.append("3")
        self._end_set()

    def _end_set(self, code: str = "") -> None:
        one, self._set = self._set, None
        if one is None or self._group is None:
            return
        codes = (code,) if code else tuple(sorted(one.codes))
        group = self._group
        group.received += 1
        group.accepted += not codes
        if len(group.sets) < (MOST_REFUSED if codes else MOST_SETS):
            told = AcknowledgedSet(id=one.id, control=one.control, version=one.version or None, codes=codes)
            group.sets.append(told)

    def _close_group(self, trailer: list[str]) -> None:
        group = self._group
        if group is None:
            return
        self._end_set("2")
        if element(trailer, 1).strip().lstrip("0") != str(group.received):
            group.codes.append("5")
        if element(trailer, 2).strip() != element(group.header, 6).strip():
            group.codes.append("4")
        self._end_group()

    def _end_group(self, code: str = "") -> None:
        self._end_set("2")
        group, self._group = self._group, None
        if group is not None:
            self._groups.append(
                AcknowledgedGroup(
                    id=element(group.header, 1).strip(), control=element(group.header, 6).strip(),
                    version=element(group.header, 8).strip(), received=group.received, accepted=group.accepted,
                    sets=tuple(group.sets), codes=(code,) if code else tuple(sorted(group.codes)),
                )
            )  # fmt: skip

    def _close_interchange(self, trailer: list[str]) -> Acknowledgement | None:
        isa = self._isa
        if isa is None:
            return None
        self._end_group("3")
        if element(trailer, 2).strip() != element(isa, 13).strip():
            self._note = "001"
        elif (element(trailer, 1).strip().lstrip("0") or "0") != str(len(self._groups)):
            self._note = "021"
        return self._ended(isa)

    def _ended(self, isa: list[str]) -> Acknowledgement:
        self._end_group("3")
        made = Acknowledgement(
            sender=element(isa, 6).strip(), sender_qualifier=element(isa, 5),
            receiver=element(isa, 8).strip(), receiver_qualifier=element(isa, 7),
            control=element(isa, 13).strip(), day=element(isa, 9), time=element(isa, 10),
            note=self._note, groups=tuple(self._groups),
        )  # fmt: skip
        self._isa, self._groups, self._note = None, [], _ACCEPTED
        return made


def received(data: bytes) -> list[Acknowledgement]:
    """Every interchange in some bytes."""
    reader, following = SegmentReader(apart=ENVELOPE), Acknowledging()
    found: list[Acknowledgement | None] = []
    for event in (*reader.feed(data), *reader.close()):
        if isinstance(event, Segment):
            found.append(following.take(event, event.elements()))
        elif isinstance(event, Finding):
            following.damage()
    return [one for one in (*found, following.close()) if one is not None]


def owed(one: Acknowledgement, isa: Segment, kinds: Collection[Owed]) -> Iterator[Item]:
    """The message that says what of ``kinds`` is owed for one interchange; none when nothing is.

    A TA1 is owed when the sender asks for one (ISA14) or the interchange is refused, a 999 for every group that is no
    acknowledgement itself: two systems that answered each other's 999 would never stop.
    """
    asked = element(isa.elements(), 14) == "1" or one.note != _ACCEPTED
    note = one.note if "TA1" in kinds and asked else None
    groups = tuple(group for group in one.groups if group.id != "FA") if "999" in kinds else ()
    if note is None and not groups:
        return
    told = msgspec.structs.replace(one, note=note, groups=groups)
    name = f"{one.sender}/{one.control}/{one.day}/{one.time}"
    yield Item(
        body=msgspec.json.encode(told), kind=OWED, control_id=f"{name}/acknowledgement",
        order_key=None, context=isa.text[: ISA_LENGTH - 1] + isa.delimiters.segment, offset=isa.offset,
    )  # fmt: skip


def interchange_acknowledgement(one: Acknowledgement, note: str = "") -> Body:
    """TA1: accepted, or rejected with the first reason; ``note`` is one that only the receiver knows (025 a repeat)."""
    code = note or one.note or _ACCEPTED
    return ("TA1", one.control, one.day, one.time, "A" if code == _ACCEPTED else "R", code)


def functional_acknowledgements(one: Acknowledgement) -> list[TransactionSet]:
    """One 999 for each functional group, none for groups that are acknowledgements themselves (FA)."""
    return [TransactionSet(id="999", version=_GUIDE, body=_group(group)) for group in one.groups if group.id != "FA"]


def _group(group: AcknowledgedGroup) -> tuple[Body, ...]:
    body: list[Body] = [("AK1", group.id, group.control, group.version)]
    for one in group.sets:
        body += [
            ("AK2", one.id, one.control, one.version or group.version),
            ("IK5", "R" if one.codes else "A", *one.codes[:5]),
        ]
    whole = group.accepted == group.received and not group.codes
    verdict = "A" if whole else "P" if group.accepted else "R"
    count = str(group.received)
    return (*body, ("AK9", verdict, count, count, str(group.accepted), *group.codes[:5]))
