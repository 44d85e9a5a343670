"""The places of a message that added fields are made of, as ``explain`` asks for them; no other message comes here.

A place is a segment id (the whole segment), or one with an element: ``CLP-03``, ``SVC-01.2``; ``EB[B]-07`` reads only
segments whose first element is B. Places of the envelope are read from the context, where the message has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from gateway.wire.x12_835 import Elements, element
from gateway.wire.x12_header import ISA_LENGTH, Delimiters
from gateway_x12.records import split

PLACE = re.compile(r"([A-Z][A-Z0-9]{1,7})(?:\[([A-Z0-9]{1,3})\])?(?:-(\d\d)(?:\.([1-9]))?)?")


class Segments:
    """The segments of a message, or of a part of it."""

    def __init__(self, own: Sequence[Elements], above: Sequence[Elements], separator: str, component: str) -> None:
        self._own = own
        self._above = above
        self._separator = separator
        self._component = component

    @classmethod
    def of(cls, body: bytes, context: bytes) -> Segments:
        """Those of one message with its context."""
        marks = Delimiters.read(context[:ISA_LENGTH])
        separator, end = marks.element.decode(), marks.segment.decode()
        own, above = split(body, separator, end), split(context, separator, end)
        return cls(own, above, separator, marks.component.decode())

    def read(self, path: str) -> Iterable[str]:
        """What stands at a place, once for each segment that has it."""
        return list(self._read(path, self._own)) or list(self._read(path, self._above))

    def _read(self, path: str, segments: Sequence[Elements]) -> Iterator[str]:
        match = PLACE.fullmatch(path)
        if match is None:
            raise ValueError("not a place of an X12 message")  # the mapping ships with the adapter, and a test reads it
        id, qualifier, number, component = match.groups()
        for one in segments:
            if one[0] != id or (qualifier and element(one, 1) != qualifier):
                continue
            text = self._separator.join(one) if number is None else element(one, int(number))
            if component:
                text = element(text.split(self._component), int(component) - 1)
            if text:
                yield text

    def each(self, begin: str) -> Sequence[Segments]:
        """The parts of the message that begin with a segment of this id; what stands before the first is above each."""
        starts = [at for at, one in enumerate(self._own) if one[0] == begin]
        ends = [*starts[1:], len(self._own)]
        parts = [self._own[start:end] for start, end in zip(starts, ends, strict=False)]
        shared = self._own[: starts[0]] if starts else ()
        return [Segments(part, shared, self._separator, self._component) for part in parts]
