"""Message profiles: which segments, fields and components one interface agreed to send.

A profile is the XML file of HL7 v2 section 2.B (``HL7v2xConformanceProfile``), as tools of interface teams write it:
segments and groups in the order of the message, each with usage, number and length. Usage R must hold something, X must
not; RE, C, CE, O and B are left to the sender, for their conditions stand in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from msgspec import Struct

from gateway.errors import InvalidConfiguration

MOST_BYTES = 16 * 1024 * 1024
"""Longest profile that is read; one message of all segments of the standard has a third of it."""
MOST_DEPTH = 12
"""Groups within groups; the standard's deepest message has five."""
MANY = 1_000_000
"""What ``*`` stands for."""
_NUMBER = re.compile(r"[0-9]{1,6}\Z")
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}\Z")
_EVENT = re.compile(r"[A-Z0-9]{0,7}\Z")
_TABLE = re.compile(r"[0-9]{4}\Z")
_PARTS = {"Field": "Component", "Component": "SubComponent", "SubComponent": ""}


class Part(Struct, frozen=True):
    """A field, component or subcomponent."""

    least: int
    most: int
    """Repetitions of a field; 0 for what must stay empty."""
    length: int | None = None
    constant: str = ""
    table: str = ""
    """HL7 table of the code, in four digits."""
    parts: tuple[Part, ...] = ()


class Segment(Struct, frozen=True):
    """A segment at one place of the message."""

    name: str
    least: int
    most: int
    fields: tuple[Part, ...] = ()
    """None: the profile says nothing of what the segment holds."""


class Group(Struct, frozen=True):
    """Segments that come, and come again, together."""

    least: int
    most: int
    parts: tuple[Group | Segment, ...]
    begins: frozenset[str]
    """The segments with which it may begin."""

    @classmethod
    def of(cls, least: int, most: int, parts: tuple[Group | Segment, ...]) -> Group:
        """A group of these parts, in their order."""
        begins: set[str] = set()
        for part in (one for one in parts if one.most):
            begins |= {part.name} if isinstance(part, Segment) else part.begins
            if part.least:
                break
        return cls(least, most, parts, frozenset(begins))

    def segments(self) -> Iterator[Segment]:
        """Every segment of it, however deep."""
        for part in self.parts:
            yield from (part,) if isinstance(part, Segment) else part.segments()


class Profile(Struct, frozen=True):
    """What one message of one event looks like."""

    kind: str
    """MSH-9.1 and MSH-9.2 joined by ``^``."""
    version: str
    message: Group


def read_profile(data: bytes) -> Profile:
    """A profile from its file.

    Raises ``InvalidConfiguration`` with the place in the file when it is no profile, or one that nobody could meet.
    """
    if len(data) > MOST_BYTES:
        raise _refused(f"The profile is longer than {MOST_BYTES} bytes", "profile")
    try:
        root = fromstring(data)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        raise _refused("The file is not plain XML", "profile") from None
    static = next((one for one in root if _tag(one) == "HL7v2xStaticDef"), None)
    if _tag(root) != "HL7v2xConformanceProfile" or static is None:
        raise _refused("The file is no HL7 v2 message profile", "profile")
    code, event = static.get("MsgType", ""), static.get("EventType", "")
    if not code or not _EVENT.match(code) or not _EVENT.match(event):
        raise _refused("The profile does not name its message", "HL7v2xStaticDef MsgType and EventType")
    version = root.get("HL7Version", "")
    whole = Group.of(1, 1, tuple(_members(static, "", 1)))
    return Profile(f"{code}^{event}" if event else code, version if re.match(r"2(\.\d)+\Z", version) else "", whole)


def _members(above: Element, place: str, depth: int) -> Iterator[Group | Segment]:
    if depth > MOST_DEPTH:
        raise _refused(f"The profile has more than {MOST_DEPTH} groups within each other", place)
    for number, one in enumerate((one for one in above if _tag(one) in {"Segment", "SegGroup"}), 1):
        here = f"{place}{_tag(one)}[{number}]"
        least, most = _cardinality(one, here)
        if _tag(one) == "SegGroup":
            parts = tuple(_members(one, here + "/", depth + 1))
            if not parts:
                raise _refused("A group of the profile is empty", here)
            yield Group.of(least, most, parts)
        elif _NAME.match(name := one.get("Name", "")):
            yield Segment(name, least, most, tuple(_parts(one, "Field", here)))
        else:
            raise _refused("A segment of the profile has no name of three letters and digits", here)


def _parts(above: Element, tag: str, place: str) -> Iterator[Part]:
    for number, one in enumerate((one for one in above if tag and _tag(one) == tag), 1):
        here = f"{place}/{tag}[{number}]"
        least, most = _cardinality(one, here) if tag == "Field" else (int(one.get("Usage") == "R"), 1)
        length, table = one.get("Length", ""), one.get("Table", "")
        yield Part(
            least, 0 if one.get("Usage") == "X" else most,
            int(length) if _NUMBER.match(length) and int(length) else None,
            one.get("ConstantValue", ""), table if _TABLE.match(table) else "", tuple(_parts(one, _PARTS[tag], here)),
        )  # fmt: skip


def _cardinality(one: Element, place: str) -> tuple[int, int]:
    """How often it must and may stand there; usage comes before number."""
    usage, least, most = one.get("Usage", "O"), one.get("Min") or "0", one.get("Max") or "*"
    if not _NUMBER.match(least) or not (most == "*" or _NUMBER.match(most)):
        raise _refused("Min or Max is no number", place)
    if usage == "X":
        return 0, 0
    first, last = max(int(least), int(usage == "R")), MANY if most == "*" else int(most)
    if first > last:
        raise _refused("Min is greater than Max, or what is required may not stand there", place)
    return first, last


def _tag(one: Element) -> str:
    """An element's name without its namespace."""
    return str(one.tag).rpartition("}")[2]


def _refused(what: str, place: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        what, where=place, fix="Export the message profile (HL7v2xConformanceProfile) as XML again, for one message."
    )
