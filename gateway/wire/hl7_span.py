"""Where in a message's bytes a path reads: what ``explain`` shows. Slower than reading, and asked for one field."""

from __future__ import annotations

from gateway.wire.hl7 import HEADERS, Message, segment_end
from gateway.wire.hl7_path import Path, parse_path, select

Span = tuple[int, int]


def spans(message: Message, path: str) -> list[Span]:
    """The byte ranges (begin, end) in ``message.data`` that ``path`` names; empty when the place is absent.

    A ``[*]`` path has one range for each record it yields; other paths have at most one.

    Raises:
        InvalidConfiguration: the text is not a path into a message (a relative path has no place of its own).
    """
    parts = parse_path(path)
    places = [(begin, end) for begin, end in _segments(message) if _name(message, begin, end) == parts.segment]
    if parts.every != "segment":
        places = places[parts.nth - 1 : parts.nth]
        places = [found for place in places for found in _field(message, place, parts)]
    return [_in_bytes(message, place) for place in places]


def _segments(message: Message) -> list[Span]:
    text, begin, found = message.text, 0, []
    for end in segment_end(message.delimiters.field, "\r" in text).finditer(text):
        found.append((begin, end.start()))
        begin = end.end()
    return [*found, (begin, len(text))]


def _name(message: Message, begin: int, end: int) -> str:
    stop = message.text.find(message.delimiters.field, begin, end)
    return message.text[begin : end if stop < 0 else stop].upper()


def _field(message: Message, segment: Span, path: Path) -> list[Span]:
    if path.segment in HEADERS and path.field == 1:
        return [(segment[0] + 3, segment[0] + 4)]
    # Field 1 of a header is the delimiter itself, so its later fields stand one part earlier.
    number = path.field - (path.segment in HEADERS)
    fields = _cut(message.text, segment, message.delimiters.field)
    if number >= len(fields):
        return []
    if path.segment in HEADERS and path.field == 2:
        return [fields[number]]
    repetitions = _cut(message.text, fields[number], message.delimiters.repetition)
    if path.every:
        return [place for place in repetitions if place[0] < place[1]]
    index = select(message, [message.text[begin:end] for begin, end in repetitions], path)
    if index is None:
        return []
    place = repetitions[index]
    for nth, separator in ((path.component, message.delimiters.component), (path.sub, message.delimiters.subcomponent)):
        if nth and message.text[place[0] : place[1]] != '""':
            parts = _cut(message.text, place, separator)
            if nth > len(parts):
                return []
            place = parts[nth - 1]
    return [place] if place[0] < place[1] else []


def _cut(text: str, place: Span, separator: str) -> list[Span]:
    found, begin = [], place[0]
    for value in text[place[0] : place[1]].split(separator):
        found.append((begin, begin + len(value)))
        begin += len(value) + len(separator)
    return found


def _in_bytes(message: Message, place: Span) -> Span:
    decoded, begin = message.decoded, message.begin
    before = len(decoded.text[: begin + place[0]].encode(decoded.charset))
    inside = len(message.text[place[0] : place[1]].encode(decoded.charset))
    return decoded.start + before, decoded.start + before + inside
