"""Segments gathered into loops, and compiled paths that read them.

A path names a segment and an element, in the words of the implementation guides: ``CLP-03``, ``SVC-01.2`` for the
second component, ``NM1[QC]-09`` for the segment whose first element is QC. Segments whose first element says what they
are about are found by it alone; asking for one of them without it is a mistake. ``NM1[QC]`` without an element is every
such segment, each as a loop of its own, whose elements are ``.09`` and ``.01.2``.

Readers of one element also offer themselves as lines of a generated function (``inline``): each segment is looked up
once in a loop, and what an element then costs is one index into a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from gateway.errors import InvalidConfiguration
from gateway.wire.inline import Writer, assigned
from gateway.wire.x12_835 import Elements

QUALIFIED = frozenset({"AMT", "DTM", "LQ", "N1", "NM1", "PER", "QTY", "REF"})
"""Segments that are found by their first element."""
OWNED = frozenset({"DMG", "DTP", "N3", "N4"})
"""Segments that a reader of levels names by whose they are (``N4[P]``) or, DTP, by its first element."""

_PATH = re.compile(r"(?:([A-Z][A-Z0-9]{1,7})(?:\[([A-Z0-9]{1,3})\])?)?(?:([-.])(\d\d)(?:\.([1-9]))?)?")
_ALONE = ""
"""The name of the segment in a loop that has one only."""


class Loop(Struct, gc=False):
    """The segments of one loop by name: the id, or id and qualifier (``REF[6R]``)."""

    segments: dict[str, list[Elements]]
    component: str
    """The interchange's component separator."""


def name_of(elements: Elements) -> str:
    """The name by which a loop knows a segment."""
    id = elements[0]
    return f"{id}[{elements[1]}]" if id in QUALIFIED and len(elements) > 1 else id


def path(text: str) -> Callable[[Any], Any]:
    """Compile a path into a reader of loops: the element's text, or None when it is absent or empty.

    Raises ``InvalidConfiguration`` when the path is not well formed.
    """
    match = _PATH.fullmatch(text)
    id, qualifier, mark, number, component = match.groups() if match else (None,) * 5
    if not (id or number) or (mark == ".") != (id is None):
        fix = "write CLP-03, SVC-01.2, NM1[QC]-09, or .09 below a repetition"
        raise InvalidConfiguration("not a path of an X12 loop", where=text[:64], fix=fix)
    if id is not None and id not in OWNED and (qualifier is not None) != (id in QUALIFIED):
        fix = f"write {id}[QUALIFIER]" if qualifier is None else f"write {id}"
        raise InvalidConfiguration("this segment is not found that way", where=text, fix=fix)
    name = text.partition("-")[0] if id else _ALONE
    if number is None:
        return _segments(name)
    whole = _Element(name, int(number))
    return _Component(whole, int(component)) if component else whole


def _segments(name: str) -> Callable[[Loop], list[Loop] | None]:
    def read(loop: Loop) -> list[Loop] | None:
        found = loop.segments.get(name)
        return [Loop({_ALONE: [one]}, loop.component) for one in found] if found else None

    return read


class _Element:
    """Reads one element: of several segments of that name, the first that says it."""

    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self._number = number

    def __call__(self, loop: Loop) -> str | None:
        number = self._number
        for elements in loop.segments.get(self._name, ()):
            if len(elements) > number and elements[number]:
                return elements[number]
        return None

    def there(self, writer: Writer, record: str) -> str:
        """The variable that is true where the loop has such a segment."""
        segments = writer.once(record, "segments", lambda: assigned(writer, f"{record}.segments"))
        return writer.once(
            record, self._name, lambda: assigned(writer, f"{segments}.get({writer.constant(self._name)}, ())")
        )

    def inline(self, writer: Writer, record: str) -> str:
        """Add the lines; returns the variable that holds the text or None."""
        found = self.there(writer, record)
        first = writer.once(record, (self._name, "first"), lambda: assigned(writer, f"{found}[0] if {found} else ()"))
        number, further = self._number, f"{writer.constant(self)}({record}) if len({found}) > 1 else None"
        return assigned(writer, f"{first}[{number}] if len({first}) > {number} and {first}[{number}] else {further}")


class _Component:
    """Reads one component of an element."""

    def __init__(self, whole: _Element, number: int) -> None:
        self._whole = whole
        self._number = number

    def __call__(self, loop: Loop) -> str | None:
        return self._of(self._whole(loop), loop)

    def _of(self, text: str | None, loop: Loop) -> str | None:
        parts = (text or "").split(loop.component)
        return parts[self._number - 1] or None if len(parts) >= self._number else None

    def there(self, writer: Writer, record: str) -> str:
        """The variable that is true where the loop has such a segment."""
        return self._whole.there(writer, record)

    def inline(self, writer: Writer, record: str) -> str:
        """Add the lines; returns the variable that holds the text or None."""
        whole = self._whole.inline(writer, record)
        return assigned(writer, f"{whole} and {writer.constant(self._of)}({whole}, {record})")
