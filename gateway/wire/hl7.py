r"""HL7 v2 messages, read lazily: nothing is split until a path asks for it.

``Message(data)`` decodes the bytes and reads the delimiters from MSH-1 and MSH-2. Segments are indexed at the first
question, a segment's fields are split when it is first asked for, components whenever they are. Values are read by
compiled paths, see :mod:`gateway.wire.hl7_path`.

Delimiters that MSH-2 leaves out are not used in that message; an empty MSH-2 means the usual ``^~\&``. Segments end
at CR, CR LF or LF; in a message with CR a lone LF ends a segment only where a segment name follows, so that a line
feed inside a field stays in its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from gateway.errors import LimitExceeded, MalformedEnvelope
from gateway.wire import hl7_charset

MAX_SEGMENTS = 100_000
"""More segments than this are refused: a message of line ends must not fill the memory."""
MAX_COMPONENTS = 100
"""Components of a field that paths may name; the longest datatype has not a third of them."""
ABSENT = "\udc00"
"""Stands for a delimiter the message does not use; strict decoding never yields it."""
LEADING = "\ufeff \t\r\n\x0b"
"""What may stand before MSH: a byte order mark, white space, the start of an MLLP frame."""
HEADERS = frozenset({"MSH", "FHS", "BHS"})
"""Segments whose first field is the delimiter itself."""
NULLED = ['""']
"""The components of a field that the sender deletes; recognised by identity."""
_NOTHING: list[str] = []
_SEND = "Have the sender send the message whole, with MSH-1 and MSH-2 as it uses them."


class Delimiters(NamedTuple):
    """The five characters of MSH-1 and MSH-2; :data:`ABSENT` for those the message does not use."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str


STANDARD = Delimiters("|", "^", "~", "\\", "&")


@lru_cache(maxsize=256)
def delimiters(field: str, encoding: str) -> Delimiters:
    """The delimiters declared by MSH-1 and MSH-2.

    Raises:
        MalformedEnvelope: ``delimiters`` when one is a letter, digit, quote or line end, or two are the same.
    """
    characters = field + (encoding or "^~\\&")
    if (
        len(characters) > 6  # the sixth is the truncation character of version 2.7
        or len(set(characters)) != len(characters)
        or any(c.isalnum() or c in '\r\n\x0b\x1c"' or c == ABSENT for c in characters)
    ):
        raise MalformedEnvelope(
            "delimiters", "The header declares delimiters that cannot be used.", where="MSH-2", fix=_SEND
        )
    return Delimiters(*(characters[n] if n < len(characters) else ABSENT for n in range(5)))


class Shape(NamedTuple):
    """Which fields of a message are filled, and nothing of what stands in them."""

    names: tuple[str, ...]
    """What stands first in each segment, as written; empty for a line with nothing in it."""
    filled: bytes
    """The message with ``x`` for what stands between its separators, written ``|``; each segment ends with ``;``."""

    def segments(self) -> Iterator[tuple[str, list[bytes]]]:
        """Each segment's name, and ``b"x"`` or ``b""`` for what stands at its beginning and in each field."""
        for name, text in zip(self.names, self.filled[:-1].split(b";"), strict=True):
            yield name, text.split(b"|")


_TO_SHAPE = bytes(byte if byte == ord("|") else ord(";") if byte == ord("\r") else ord(" ") for byte in range(256))


class Message:
    """One HL7 v2 message; every source record of the hl7 adapter is one.

    Args:
        data: the message as received, without MLLP framing.
        default_charset: the sender's charset where MSH-18 is empty, named as in MSH-18.

    Raises:
        InvalidContent: ``charset`` when the bytes are not text in any charset they could be in.
        MalformedEnvelope: ``no-header`` or ``delimiters``.
    """

    __slots__ = ("_first", "_segments", "begin", "data", "decoded", "delimiters", "escape", "parts", "text")

    def __init__(self, data: bytes, default_charset: str | None = None) -> None:
        self.data = data
        self.decoded = hl7_charset.decode(data, default_charset)
        text = self.decoded.text
        self.begin = 0
        if not text.startswith("MSH"):
            text = text.lstrip(LEADING)
            self.begin = len(self.decoded.text) - len(text)
        if not text.startswith("MSH") or len(text) < 4:
            raise MalformedEnvelope(
                "no-header", "The message does not begin with a header segment.", where="MSH", fix=_SEND
            )
        self.text = text
        field = text[3]
        self.delimiters = (
            STANDARD if text.startswith("|^~\\&|", 3) else delimiters(field, _encoding_characters(text, field))
        )
        self.escape = self.delimiters.escape
        self.parts: dict[str, list[str]] = {}
        """What paths have taken apart already: by place, what :meth:`components` made of its text."""
        self._segments: dict[str, list[str]] | None = None
        self._first: dict[str, list[str]] = {}

    @property
    def charset(self) -> str:
        """The charset the bytes were read in, as Python names it."""
        return self.decoded.charset

    def segments(self, name: str) -> list[str]:
        """The texts of all segments called ``name``, in order; empty when there is none."""
        if self._segments is None:
            self._segments = self._index()
        return self._segments.get(name, _NOTHING)

    def names(self) -> list[str]:
        """The names of the segments present, in order of their first appearance."""
        if self._segments is None:
            self._segments = self._index()
        return list(self._segments)

    def fields(self, name: str) -> list[str]:
        """The fields of the first segment called ``name``; index n is field n. Empty when there is none."""
        try:
            return self._first[name]
        except KeyError:
            texts = self.segments(name)
            fields = self.split(texts[0]) if texts else _NOTHING
            self._first[name] = fields
            return fields

    def split(self, segment: str) -> list[str]:
        """The fields of one segment's text; index n is field n, and 0 the segment's name."""
        separator = self.delimiters.field
        fields = segment.split(separator)
        if fields[0] in HEADERS:
            fields.insert(1, separator)
        return fields

    def components(self, value: str) -> list[str]:
        """The components of one repetition's text; index n is component n, and 0 the whole. NULLED for ``""``."""
        if not value:
            return _NOTHING
        return NULLED if value == '""' else [value, *value.split(self.delimiters.component, MAX_COMPONENTS)]

    def at_segment(self, name: str, text: str) -> Message:
        """The same message as seen from one of several segments called ``name``, which stands for the first."""
        return self._view({**self._first, name: self.split(text)}, {})

    def at_group(self, group: dict[str, list[str]]) -> Message:
        """The same message as seen from a group of segments: by name their texts, which stand for all of that name."""
        first = {name: fields for name, fields in self._first.items() if name not in group}
        return self._view(first, {}, {**(self._index() if self._segments is None else self._segments), **group})

    def shape(self) -> Shape:
        """Which fields are filled."""
        separator = self.delimiters.field
        texts = split_segments(self.text, separator)
        text = "\r".join(texts)
        if separator != "|":
            text = text.replace("|", "x").replace(separator, "|")
        blank = f"{text}\r".encode("latin-1", "replace").translate(_TO_SHAPE)
        return Shape(tuple([text.partition(separator)[0] for text in texts]), b"x".join(blank.split()))

    def ordered(self) -> list[tuple[str, str]]:
        """Name and text of every segment, in the order of the message."""
        separator = self.delimiters.field
        texts = split_segments(self.text, separator)
        return [(text.split(separator, 1)[0].upper(), text) for text in texts if text]

    def at_repetition(self, place: str, value: str) -> Message:
        """The same message as seen from one repetition of ``place``, which stands for that field and for ``.``."""
        parts = self.components(value)
        return self._view(self._first, {place: parts, ".": parts})

    def _view(
        self, first: dict[str, list[str]], parts: dict[str, list[str]], segments: dict[str, list[str]] | None = None
    ) -> Message:
        view: Message = Message.__new__(Message)
        view.data, view.decoded, view.text, view.begin = self.data, self.decoded, self.text, self.begin
        view.delimiters, view.escape = self.delimiters, self.escape
        view._segments, view._first = segments or self._segments, first
        view.parts = parts
        return view

    def unescape(self, value: str) -> str:
        """Replace the escape sequences of ``value``; an unknown one stays as it is, so nothing is lost."""
        d = self.delimiters
        if d.escape not in value:
            return value
        return _sequence(d.escape).sub(lambda found: self._replacement(found[1], found[0]), value)

    def _replacement(self, code: str, whole: str) -> str:
        d = self.delimiters
        match code[0]:
            case "F":
                plain = d.field
            case "S":
                plain = d.component
            case "T":
                plain = d.subcomponent
            case "R":
                plain = d.repetition
            case "E":
                plain = d.escape
            case "L" | "P":
                plain = "#"
            case "H" | "N":
                return ""  # highlighting on and off
            case "X":
                return self._hex(code[1:], whole)
            case _:
                return _formatting(code, whole)
        return whole if plain == ABSENT else plain

    def _hex(self, digits: str, whole: str) -> str:
        if len(digits) % 2:
            return whole
        try:
            return bytes.fromhex(digits).decode(self.decoded.charset)
        except UnicodeDecodeError:
            return whole

    def _index(self) -> dict[str, list[str]]:
        index: dict[str, list[str]] = {}
        separator = self.delimiters.field
        for segment in split_segments(self.text, separator):
            name = segment[:3]
            if segment[3:4] != separator:
                name = segment.split(separator, 1)[0]
                if not name:
                    continue
            if not name.isupper():
                name = name.upper()  # seen in the wild; no standard segment differs from another by case
            if name in index:
                index[name].append(segment)
            else:
                index[name] = [segment]
        return index


def escape(value: str, using: Delimiters = STANDARD) -> str:
    """``value`` as the content of a field: delimiters and line ends become escape sequences."""
    codes = {using.escape: "E", using.field: "F", using.component: "S", using.subcomponent: "T", using.repetition: "R"}
    codes |= {"\r": "X0D", "\n": ".br"}
    e = using.escape
    return "".join(f"{e}{codes[character]}{e}" if character in codes else character for character in value)


def split_segments(text: str, separator: str) -> list[str]:
    """The segments of a message's text, without their ends; empty ones are kept.

    Raises:
        LimitExceeded: ``segments`` when there are more than :data:`MAX_SEGMENTS`.
    """
    if text.count("\r") + text.count("\n") > MAX_SEGMENTS:
        raise LimitExceeded("segments", f"The message has more than {MAX_SEGMENTS} segments.")
    if "\n" not in text:
        return text.split("\r")
    return segment_end(separator, "\r" in text).split(text)


@lru_cache(maxsize=64)
def segment_end(separator: str, has_cr: bool) -> re.Pattern[str]:
    """What ends a segment in a message with line feeds; ``has_cr`` tells whether carriage returns are there too."""
    if not has_cr:
        return re.compile("\n")
    return re.compile(rf"\r\n?|\n(?=[A-Z][A-Z0-9]{{2}}{re.escape(separator)}|[\r\n]|\Z)")


def _encoding_characters(text: str, field: str) -> str:
    """MSH-2, read without knowing any delimiter but MSH-1."""
    end = min((at for at in (text.find(c, 4) for c in (field, "\r", "\n")) if at >= 0), default=len(text))
    if end - 4 > 5:
        raise MalformedEnvelope("delimiters", "MSH-2 is longer than its five characters.", where="MSH-2", fix=_SEND)
    return text[4:end]


@lru_cache(maxsize=64)
def _sequence(escape: str) -> re.Pattern[str]:
    e = re.escape(escape)
    # Only known forms match: a stray escape character must not swallow the sequence after it.
    return re.compile(rf"{e}([FSTRELPHN]|X(?:[0-9A-Fa-f]{{2}})+|\.[a-z]{{2}}[+-]?\d{{0,4}}){e}")


def _formatting(code: str, whole: str) -> str:
    """The formatting commands of FT fields that carry meaning in plain text."""
    command, count = code[1:3], code[3:].lstrip("+") or "1"
    if command == "br" and len(code) == 3:
        return "\n"
    if command == "sp" and count.isdigit() and int(count) <= 100:
        return "\n" * int(count)
    if command == "sk" and count.isdigit() and int(count) <= 100:
        return " " * int(count)
    if command == "ce":
        return "\n"
    if command in {"in", "ti", "fi", "nf"}:
        return ""
    return whole
