"""``NULL``: what a source says when it deletes a value, as distinct from not speaking about it."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal


class Null(Enum):
    """The type of :data:`NULL`; an enum, so that type checkers tell it from text and ``is`` compares it."""

    NULL = 0

    def __repr__(self) -> str:
        return "NULL"


NULL: Final[Literal[Null.NULL]] = Null.NULL
"""HL7's ``""`` or JSON's ``null``: the source asks for deletion. ``None`` means that it did not speak of the value."""
