"""iCalendar (RFC 5545): bytes of a calendar to its components, as they arrive.

Strategy. Lines are unfolded as bytes, because a fold may cut a letter in two (section 3.1). The parts directly below
``VCALENDAR`` are given out whole, one by one, each with its exact bytes; what is wrong inside of one costs that one. A
part that begins where another has not ended ends it as broken, so a lost ``END`` does not swallow what follows.
``complete`` says whether the calendar came to its own end: only then does absence mean anything.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping

from msgspec import Struct

from gateway.errors import MalformedEnvelope

_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_VALUE = re.compile(r'"([^"\x00-\x08\x0a-\x1f\x7f]*)"|([^";:,\x00-\x08\x0a-\x1f\x7f]*)')
_CARET = re.compile(r"\^([n^'])")
_TEXT = re.compile(r"\\([nN,;\\])")
_CARETS = {"n": "\n", "^": "^", "'": '"'}
PARTS = frozenset({"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE"})
"""What stands directly below a calendar, and never within another of these."""


class Limits(Struct, frozen=True, kw_only=True):
    """Of one calendar, in bytes and numbers; beyond them a part is broken, whatever it holds."""

    line_bytes: int = 64 * 1024
    """Of one line, unfolded."""
    part_bytes: int = 1024 * 1024
    lines: int = 4000
    """In one part."""
    depth: int = 4
    """Of components within a part."""


class Property(Struct, frozen=True):
    """One content line."""

    name: str
    """In capitals."""
    parameters: Mapping[str, tuple[str, ...]]
    """Names in capitals, values without quotes."""
    value: str
    """As written; :func:`text` takes the escapes out of a value of type TEXT."""

    def parameter(self, name: str) -> str | None:
        """The first value of a parameter."""
        return next(iter(self.parameters.get(name, ())), None)


class Component(Struct, frozen=True, kw_only=True):
    """One part of a calendar, whole."""

    name: str
    properties: tuple[Property, ...]
    components: tuple[Component, ...] = ()
    body: bytes = b""
    """As it arrived, from BEGIN to END; empty for components within another."""
    line: int = 0
    offset: int = 0

    def one(self, name: str) -> Property | None:
        """The first property of a name."""
        return next((one for one in self.properties if one.name == name), None)

    def all(self, name: str) -> Iterator[Property]:
        """Every property of a name."""
        return (one for one in self.properties if one.name == name)


class Broken(Struct, frozen=True, kw_only=True):
    """A part, or bytes outside of any, that cannot be read; the rest goes on."""

    reason: str
    line: int
    body: bytes
    offset: int = 0


Event = Component | Broken
DEFAULT_LIMITS = Limits()


def text(value: str) -> str:
    """A value of type TEXT without its escapes (section 3.3.11)."""
    return _TEXT.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def read_line(line: str) -> Property:
    """One unfolded content line (section 3.1, with the carets of RFC 6868).

    Raises ``ValueError`` without anything of the line.
    """
    name = _NAME.match(line)
    at = name.end() if name is not None else len(line)
    parameters: dict[str, tuple[str, ...]] = {}
    while line[at : at + 1] == ";":
        key = _NAME.match(line, at + 1)
        if key is None or line[key.end() : key.end() + 1] != "=":
            break
        values: list[str] = []
        at = key.end()
        while line[at : at + 1] == ("," if values else "="):
            found = _VALUE.match(line, at + 1)
            if found is None:
                break
            values.append(_CARET.sub(lambda mark: _CARETS[mark[1]], found[1] if found[1] is not None else found[2]))
            at = found.end()
        parameters[key[0].upper()] = tuple(values)
    if name is None or line[at : at + 1] != ":":
        raise ValueError("not a content line")
    return Property(name[0].upper(), parameters, line[at + 1 :])


class _Open(Struct):
    """A component that has begun."""

    name: str
    properties: list[Property]
    components: list[Component]


class Reader:
    """Feed it the bytes of calendars, in pieces of any size; it gives each part as soon as it is whole."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self.heading: list[Property] = []
        """Properties of the calendars themselves: PRODID, X-WR-TIMEZONE."""
        self._calendars = [0, 0]  # begun, ended
        self._tail = bytearray()
        self._looked = 0
        self._line, self._number = bytearray(), 0  # a logical line, and the number of its first physical one
        self._raw = bytearray()
        self._physical = 0
        self._read = self._begins = 0  # bytes read into lines, and where the logical line begins
        self._stack: list[_Open] = []
        self._body = bytearray()
        self._place = (0, 0)
        self._lines = 0
        self._fault: tuple[str, int] | None = None

    @property
    def complete(self) -> bool:
        """Whether every calendar that began has come to its end, and one did."""
        return self._calendars[0] == self._calendars[1] > 0 and not self._stack

    def feed(self, data: bytes) -> list[Event]:
        """Parts that are whole now."""
        events: list[Event] = []
        self._tail += data
        begin = 0
        while (end := self._tail.find(b"\n", max(begin, self._looked))) >= 0:
            self._take(bytes(self._tail[begin : end + 1]), events)
            begin = end + 1
        del self._tail[:begin]
        self._looked = len(self._tail)
        if len(self._tail) > self._limits.part_bytes:  # a line without end; what is kept of it is evidence
            self._take(bytes(self._tail), events)
            self._tail.clear()
            self._looked = 0
        return events

    def close(self) -> list[Event]:
        """What is left at the end of the bytes: the last line, and parts that were cut off."""
        events: list[Event] = []
        if self._tail:
            self._take(bytes(self._tail), events)
            self._tail.clear()
        self._end_line(events)
        if self._stack:
            self._break("cut-off", self._physical)
            self._finish(events)
        if not self._calendars[0]:
            raise MalformedEnvelope("not-a-calendar", "There is no calendar in these bytes", where="line 1")
        return events

    # --- lines ------------------------------------------------------------------------------------------------------

    def _take(self, physical: bytes, events: list[Event]) -> None:
        """One physical line: it goes on with the logical one, or ends it and begins another."""
        self._physical += 1
        plain = physical.rstrip(b"\r\n")
        if plain[:1] in (b" ", b"\t") and self._raw:
            self._line += plain[1:]
        else:
            self._end_line(events)
            self._line[:] = plain
            self._number, self._begins = self._physical, self._read
        self._raw += physical
        self._read += len(physical)
        if len(self._line) > self._limits.line_bytes:
            del self._line[self._limits.line_bytes + 1 :]
        if len(self._raw) > self._limits.part_bytes:
            del self._raw[self._limits.part_bytes :]

    def _end_line(self, events: list[Event]) -> None:
        raw, line = bytes(self._raw), bytes(self._line)
        self._raw.clear()
        self._line.clear()
        if not line.strip():
            return
        try:
            found: Property | None = None
            if len(line) <= self._limits.line_bytes:
                found = read_line(line.removeprefix(BOM_UTF8 if self._begins == 0 else b"").decode())
        except ValueError:  # of the decoder too
            pass
        reason = "line-too-long" if len(line) > self._limits.line_bytes else "not-a-content-line"
        if not self._calendars[0] and (found is None or (found.name, found.value.upper()) != ("BEGIN", "VCALENDAR")):
            raise MalformedEnvelope("not-a-calendar", "The bytes do not begin a calendar", where="line 1")
        self._place_line(found, raw, reason, events)

    # --- components -------------------------------------------------------------------------------------------------

    def _place_line(self, found: Property | None, raw: bytes, reason: str, events: list[Event]) -> None:
        kind = found.value.strip().upper() if found is not None and found.name in ("BEGIN", "END") else ""
        begins = found is not None and found.name == "BEGIN"
        if kind == "VCALENDAR":
            if self._stack:
                self._break("not-ended", self._number)
                self._finish(events)
            self._calendars[0 if begins else 1] += 1
            return
        if kind and begins and (not self._stack or kind in PARTS):
            if self._stack:
                self._break("not-ended", self._number)
                self._finish(events)
            self._begin(kind)
        elif not self._stack:
            self._outside(found, raw, reason, events)
            return
        elif kind and begins:
            self._stack.append(_Open(kind, [], []))
        self._keep(raw)
        if found is None:
            self._break(reason, self._number)
        elif kind and not begins:
            self._end(kind, events)
        elif not kind:
            self._stack[-1].properties.append(found)

    def _begin(self, kind: str) -> None:
        self._stack = [_Open(kind, [], [])]
        self._body.clear()
        self._fault, self._lines, self._place = None, 0, (self._number, self._begins)

    def _keep(self, raw: bytes) -> None:
        self._lines += 1
        self._body += raw
        limits = self._limits
        if len(self._body) > limits.part_bytes or self._lines > limits.lines or len(self._stack) > limits.depth:
            self._break("part-too-large", self._number)
            del self._body[limits.part_bytes :]
            self._stack[1:] = self._stack[1 : limits.depth]
            self._stack[-1].properties.clear()

    def _end(self, kind: str, events: list[Event]) -> None:
        names = [one.name for one in self._stack]
        if kind not in names:
            self._break("end-without-begin", self._number)
            return
        if names[-1] != kind:
            self._break("not-ended", self._number)
            del self._stack[len(names) - names[::-1].index(kind) :]
        if len(self._stack) == 1:
            self._finish(events)
            return
        done = self._stack.pop()
        inner = Component(name=done.name, properties=tuple(done.properties), components=tuple(done.components))
        self._stack[-1].components.append(inner)

    def _break(self, reason: str, line: int) -> None:
        self._fault = self._fault or (reason, line)

    def _finish(self, events: list[Event]) -> None:
        done, (line, offset) = self._stack[0], self._place
        self._stack = []
        if self._fault is not None:
            events.append(Broken(reason=self._fault[0], line=self._fault[1], body=bytes(self._body), offset=offset))
            return
        events.append(
            Component(
                name=done.name, properties=tuple(done.properties), components=tuple(done.components),
                body=bytes(self._body), line=line, offset=offset,
            )
        )  # fmt: skip

    def _outside(self, found: Property | None, raw: bytes, reason: str, events: list[Event]) -> None:
        """A line of the calendar itself."""
        if found is None or found.name == "END":
            reason = reason if found is None else "end-without-begin"
            events.append(Broken(reason=reason, line=self._number, body=raw, offset=self._begins))
        elif len(self.heading) < self._limits.lines:
            self.heading.append(found)
