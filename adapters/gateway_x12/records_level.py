"""Messages of sets built of levels (837, 27x) and acknowledgements: segments named by whose they are.

Whoever a claim or an answer is about stands at one of two levels, subscriber or dependent; the reader names that
person's segments ``NM1[P]``, ``N3[P]``, ``N4[P]`` and ``DMG[P]`` wherever they came from, and the policy holder's
``NM1[IL]`` and ``DMG[IL]``. Segments above the patient are read from the context. Beside those of the standard, a loop
holds three of ours::

    KEY*message id*claim or review number*patient id*version of the file~
    SENT*ISA13*GS06*ST02*BHT03*ST01~
    ADDRESS*first line*second line*city*state*postal code*country~      of the patient, from N3 and N4
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from gateway.wire.x12_835 import Elements, element
from gateway.wire.x12_header import ISA_LENGTH, Delimiters
from gateway.wire.x12_loop import QUALIFIED, Loop
from gateway_x12.records import read_date, split

_PERSONS = frozenset({"IL", "QC"})
_OWNED = frozenset({"N3", "N4", "DMG"})
_OF_A_NAME = frozenset({"REF", "PER", "PRV", "LUI"})
_QUALIFIED = QUALIFIED | {"DTP"}
_EMPTY: Elements = []
_NO_SEGMENTS: list[Elements] = []


class Above(Struct, frozen=True, gc=False):
    """What a context says: delimiters, envelope, and the levels above the patient."""

    element: str
    component: str
    repetition: str
    segment: str
    shared: dict[str, list[Elements]]
    set: str
    """ST01."""
    message: str
    """ISA06, ISA13, GS06 and ST02: what messages of this transaction are named by."""
    sent: Elements
    version: str
    rejections: list[Elements]
    """AAA above the patient: they hold for everyone below."""
    answered: bool
    """Whether the transaction is an answer (BHT02 11 or 08) or a question (13)."""

    @property
    def payer(self) -> str:
        """NM109 of the payer that the context names; empty where the subscriber's level does."""
        for name in ("NM1[PR]", "NM1[X3]"):
            if name in self.shared:
                return element(self.shared[name][0], 9)
        return ""


class Message(Struct, gc=False):
    """One message: its named segments, the rest in order, and where something was that is not read."""

    loop: Loop
    body: list[Elements]
    """Segments of what the message is about, in order: from CLM, TRN, EB or HL EV on, or those of a whole message."""
    above: Above
    unread: set[str]


@lru_cache(maxsize=64)
def read_above(context: bytes) -> Above:
    """Read a context. Raises ``MalformedEnvelope`` when it does not begin with an interchange header."""
    marks = Delimiters.read(context[:ISA_LENGTH])
    separator, terminator = marks.element.decode(), marks.segment.decode()
    shared: dict[str, list[Elements]] = {}
    rejections: list[Elements] = []
    for elements in split(context, separator, terminator):
        id = elements[0]
        if id == "AAA":
            rejections.append(elements)
        elif id in {"ISA", "GS", "ST", "BHT"}:
            shared[id] = [elements]
        elif id in {"NM1", "TRN"} and len(elements) > 1:
            shared.setdefault(f"{id}[{elements[1]}]" if id == "NM1" else "TRN[above]", []).append(elements)
    isa, gs, st, bht = (shared.get(name, [[]])[0] for name in ("ISA", "GS", "ST", "BHT"))
    day, time = element(gs, 4), element(gs, 5)[:4]
    numbers = element(isa, 13).strip(), element(gs, 6).strip(), element(st, 2).strip(), element(bht, 3).strip()
    return Above(
        separator,
        marks.component.decode(),
        marks.repetition.decode() if marks.repetition else "",
        terminator,
        shared,
        set=element(st, 1),
        message="/".join((element(isa, 6).strip(), *numbers[:3])),
        sent=["SENT", *numbers, element(st, 1)],
        version=day + time if read_date(day) and len(time) == 4 and time.isdecimal() else "",
        rejections=rejections,
        answered=element(bht, 2) in {"11", "08"},
    )


class Reader:
    """Names the segments of one message; who comes last of the levels is the patient."""

    def __init__(self, body: bytes, context: bytes) -> None:
        self.above = read_above(context)
        self.segments = split(body, self.above.element, self.above.segment)
        self.found: dict[str, list[Elements]] = dict(self.above.shared)
        self.unread: set[str] = set()
        self.body: list[Elements] = []
        self._owner = ""

    def read(self, begin: frozenset[str]) -> None:
        """Take the patient's levels, up to the first segment in ``begin``; the rest is the body."""
        found = self.found
        for at, elements in enumerate(self.segments):
            id = elements[0]
            if id in begin:
                self.body = self.segments[at:]
                return
            if id == "NM1":
                self._name(elements)
            elif id in _OWNED:
                self._own(elements)
            elif id == "HL":
                self._owner = ""
                found[id] = [elements]
            elif id in _OF_A_NAME and self._owner and self._owner not in _PERSONS:
                self.unread.add(f"{id}[{self._owner}]")
            elif id in _QUALIFIED:
                if id != "DTP" or self.dated(elements):
                    found.setdefault(f"{id}[{element(elements, 1)}]", []).append(elements)
            elif id == "TRN":
                found.setdefault(id, []).append(elements)
            else:
                found[id] = [elements]

    def _name(self, elements: Elements) -> None:
        """Whoever is named last of the persons is the patient; a policy holder named before stays the holder."""
        found = self.found
        self._owner = qualifier = element(elements, 1)
        if qualifier in _PERSONS:
            if "NM1[P]" in found:
                for name in ("N3[P]", "N4[P]", "DMG[P]"):
                    found.pop(name, None)
            found["NM1[P]"] = [elements]
            found.setdefault(f"NM1[{qualifier}]", [elements])
        else:
            found[f"NM1[{qualifier}]"] = [elements]

    def _own(self, elements: Elements) -> None:
        """Address and birth date belong to whom was named before."""
        id, owner = elements[0], self._owner
        if owner in _PERSONS and (id != "DMG" or self.dated(elements)):
            self.found[f"{id}[P]"] = [elements]
            self.found.setdefault(f"{id}[{owner}]", [elements])
        else:
            self.unread.add(f"{id}[{owner}]" if owner else id)

    def dated(self, elements: Elements) -> bool:
        """Whether a segment with a date can be kept: a slip in a date is told and does not hold up the rest."""
        if elements[0] == "DMG":
            if element(elements, 2) and read_date(elements[2]) is None:
                elements[2] = ""
                self.unread.add("DMG-02")
            return True
        if element(elements, 2) == "D8" and read_date(element(elements, 3)) is None:
            self.unread.add(f"DTP[{element(elements, 1)}]-03")
            return False
        return True

    def message(self, number: str, place: str = "") -> Message:
        """The message, with its key; ``number`` is the claim's or review's own, ``place`` tells it from its like."""
        above, found = self.above, self.found
        id = f"{above.message}/{place}" if place else above.message
        found["KEY"] = [["KEY", id, number, self.patient(number), above.version]]
        found["SENT"] = [above.sent]
        if "N4[P]" in found:
            street, town = self.first("N3[P]"), found["N4[P]"][0]
            found["ADDRESS"] = [
                ["ADDRESS", *(element(street, at) for at in (1, 2)), *(element(town, at) for at in range(1, 5))]
            ]
        return Message(Loop(found, above.component), self.body, above, self.unread)

    def patient(self, number: str) -> str:
        """A patient is named by payer, member number and given name, as in remittances; or by the claim alone."""
        patient = self.first("NM1[P]")
        holder = self.first("NM1[IL]")
        member = (element(patient, 9) or element(holder, 9)).strip()
        if not member:
            return f"{self.payer()}/claim/{number or self.above.message}"
        return f"{self.payer()}/{member}/{element(patient, 4).strip().casefold()}"

    def payer(self) -> str:
        """NM109 of the payer: from the subscriber's level, else from above."""
        return element(self.first("NM1[PR]"), 9).strip() or self.above.payer.strip()

    def first(self, name: str) -> Elements:
        """The first segment of that name; an empty one when there is none."""
        return self.found.get(name, [_EMPTY])[0]


def read_answer(body: bytes, context: bytes) -> Message:
    """Read what a 271 says of one patient: the body runs from the first benefit or rejection on."""
    reader = Reader(body, context)
    reader.read(frozenset({"EB", "AAA"}))
    traces = [element(one, 2).strip() for one in reader.found.get("TRN", _NO_SEGMENTS) if element(one, 1) == "2"]
    return reader.message(traces[-1] if traces else element(reader.first("BHT"), 3).strip())


def read_status(body: bytes, context: bytes) -> Message:
    """Read one claim's status in a 277, or one that stands above the patients: the body runs from TRN or STC on."""
    reader = Reader(body, context)
    reader.read(frozenset({"TRN", "STC"}))
    trace = next((one for one in reader.body if one[0] == "TRN"), _EMPTY)
    number = element(trace, 2).strip()
    return reader.message(number, f"{element(reader.first('HL'), 1).strip()}/{number}")


def read_review(body: bytes, context: bytes) -> Message:
    """Read one review of a 278: the body runs from its trace, or from the level that asks or answers."""
    reader = Reader(body, context)
    reader.read(frozenset({"TRN", "UM", "HCR", "AAA"}))
    trace = next((one for one in reader.body if one[0] == "TRN"), _EMPTY)
    return reader.message(element(trace, 2).strip() or element(reader.first("BHT"), 3).strip())


def read_payer(body: bytes, context: bytes) -> Message:
    """Read the message that tells of one payer: its name and address, named ``NM1[PR]``, ``N3[PR]`` and ``N4[PR]``."""
    reader = Reader(body, context)
    for elements in reader.segments:
        reader.found[f"{elements[0]}[PR]"] = [elements]
    return reader.message("")


def read_whole(body: bytes, context: bytes) -> Message:
    """Read an acknowledgement or a transaction about no patient: the body is all of it."""
    reader = Reader(body, context)
    if reader.segments and reader.segments[0][0] == "ST":
        reader.above = read_above(context + body)
        reader.found = dict(reader.above.shared)
    reader.body = reader.segments
    interchange = reader.segments[0] if reader.segments and reader.segments[0][0] == "TA1" else _EMPTY
    return reader.message(element(reader.first("BHT"), 3).strip(), element(interchange, 1).strip())
