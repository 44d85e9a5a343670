"""One message against a message profile: what is missing, not agreed, too many, too long, or another value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import NamedTuple

from gateway.errors import GatewayError
from gateway.model.exchange import Finding
from gateway.wire.hl7 import HEADERS, Delimiters, Message, split_segments
from gateway_hl7.records import kind_of
from gateway_hl7.strict_profile import Group, Part, Profile, Segment

Codes = Callable[[str], Collection[str] | None]
"""The codes of an HL7 table by its four digits; None for a table of the site's own, or one that is not known."""
MOST, MOST_STRAY = 200, 20
"""Findings of one message, and segments that are left out before the rest counts as stray; more is another message."""
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}\Z")
_SENDER = "Ask the sender, or agree on another profile."
_WHAT = {
    "missing-required": "The profile requires something that is not there.",
    "not-used": "The profile says that nothing stands here.",
    "too-many": "It repeats more often than the profile allows.",
    "too-long": "The value is longer than the profile allows.",
    "not-constant": "The profile fixes another value.",
    "not-in-table": "The code is not in the table that the profile names.",
    "not-allowed-here": "The profile does not expect this segment here.",
}


class Line(NamedTuple):
    """One segment of a message."""

    name: str
    place: str
    """Its name, with its number among those of one name from the second on."""
    fields: list[str]
    """By number: MSH-1 is the delimiter itself."""


def judged(body: bytes, profile: Profile, codes: Codes) -> list[Finding]:
    """Every way in which a message differs from the profile, by place and never by value."""
    try:
        message = Message(body)
        lines = list(_lines(message))
    except GatewayError as error:
        return [Finding(reason="unreadable", what=error.what, where=error.where, fix=error.fix)]
    if kind_of(message) != profile.kind:
        what = "The profile is of another message."
        return [Finding(reason="other-message", what=what, where="MSH-9", fix="Name the profile of this message.")]
    return _Judge(profile, message.delimiters, codes).judge(lines)


def _lines(message: Message) -> Iterator[Line]:
    seen: Counter[str] = Counter()
    field = message.delimiters.field
    for text in filter(None, split_segments(message.text, field)):
        name, *fields = text.split(field)
        seen[name] += 1
        head = [name, field] if name in HEADERS else [name]
        yield Line(name, name if seen[name] == 1 else f"{name}[{seen[name]}]", [*head, *fields])


class _Judge:
    def __init__(self, profile: Profile, marks: Delimiters, codes: Codes) -> None:
        self._profile, self._marks, self._codes = profile, marks, codes
        self._found: list[Finding] = []

    def judge(self, lines: list[Line]) -> list[Finding]:
        """A segment that stands where none is expected is told and left out, so that it hides nothing behind it."""
        names = {one.name for one in self._profile.message.segments()}
        stray = [one for one in lines if one.name not in names]
        lines = [one for one in lines if one.name in names]
        for _ in range(MOST_STRAY):
            self._found = []
            at = self._members(self._profile.message, lines, 0)
            if at == len(lines):
                break
            stray.append(lines.pop(at))
        else:
            stray += lines[at:]
        for one in islice(stray, MOST):
            # What is no segment's name may be a line of text.
            self._tell("not-allowed-here", one.place if _NAME.match(one.name) else "segment")
        return self._found[:MOST]

    def _tell(self, reason: str, place: str) -> None:
        self._found.append(Finding(reason=reason, what=_WHAT[reason], where=place, fix=_SENDER))

    def _members(self, group: Group, lines: list[Line], at: int) -> int:
        """The place behind what a group takes of the lines."""
        for part in group.parts:
            count = 0
            begins = part.begins if isinstance(part, Group) else (part.name,)
            while count < part.most and at < len(lines) and lines[at].name in begins:
                count += 1
                if isinstance(part, Group):
                    at = self._members(part, lines, at)
                else:
                    self._segment(part, lines[at])
                    at += 1
            if count < part.least:
                self._tell(
                    "missing-required", next(iter(part.segments())).name if isinstance(part, Group) else part.name
                )
        return at

    def _segment(self, segment: Segment, line: Line) -> None:
        if not segment.fields:
            return
        for number, part in enumerate(segment.fields, 1):
            place = f"{line.place}-{number}"
            value = line.fields[number] if number < len(line.fields) else ""
            marks_itself = line.name in HEADERS and number <= 2
            values = [value] if marks_itself else list(filter(None, value.split(self._marks.repetition)))
            if value and not part.most:
                self._tell("not-used", place)
                continue
            if len(values) < part.least:
                self._tell("missing-required", place)
            if len(values) > part.most:
                self._tell("too-many", place)
            for one in values[: part.most]:
                self._value(part, one, place, () if marks_itself else (self._marks.component, self._marks.subcomponent))
        for number in range(len(segment.fields) + 1, len(line.fields)):
            if line.fields[number]:
                self._tell("not-used", f"{line.place}-{number}")

    def _value(self, part: Part, value: str, place: str, marks: tuple[str, ...]) -> None:
        """One repetition, component or subcomponent, which holds something."""
        if part.length is not None and len(value) > part.length:
            self._tell("too-long", place)
        pieces = value.split(marks[0]) if marks else [value]
        if part.constant and part.constant not in (value, pieces[0]):
            self._tell("not-constant", place)
        codes = self._codes(part.table) if part.table else None
        if codes is not None and pieces[0] and pieces[0] not in codes:
            self._tell("not-in-table", place)
        for number, inner in enumerate(part.parts, 1):
            piece = pieces[number - 1] if number <= len(pieces) else ""
            if piece and not inner.most:
                self._tell("not-used", f"{place}.{number}")
            elif piece:
                self._value(inner, piece, f"{place}.{number}", marks[1:])
            elif inner.least:
                self._tell("missing-required", f"{place}.{number}")
        for number, piece in enumerate(pieces[len(part.parts) :] if part.parts else (), len(part.parts) + 1):
            if piece:
                self._tell("not-used", f"{place}.{number}")
