"""Segments gathered into loops, and compiled paths that read them.

A path names a segment and an element, in the words of the implementation guides: ``CLP-03``, ``SVC-01.2`` for the
second component, ``NM1[QC]-09`` for the segment whose first element is QC. Segments whose first element says what they
are about are found by it alone; asking for one of them without it is a mistake. ``NM1[QC]`` without an element is every
such segment, each as a loop of its own, whose elements are ``.09`` and ``.01.2``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from gateway.errors import InvalidConfiguration
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
    whole = _element(name, int(number))
    return _component(whole, int(component)) if component else whole


def _segments(name: str) -> Callable[[Loop], list[Loop] | None]:
    def read(loop: Loop) -> list[Loop] | None:
        found = loop.segments.get(name)
        return [Loop({_ALONE: [one]}, loop.component) for one in found] if found else None

    return read


def _element(name: str, number: int) -> Callable[[Loop], str | None]:
    def read(loop: Loop) -> str | None:
        found = loop.segments.get(name)
        if found is not None:
            for elements in found:
                if len(elements) > number and elements[number]:
                    return elements[number]
        return None

    return read


def _component(whole: Callable[[Loop], str | None], number: int) -> Callable[[Loop], str | None]:
    def read(loop: Loop) -> str | None:
        parts = (whole(loop) or "").split(loop.component)
        return parts[number - 1] or None if len(parts) >= number else None

    return read
