"""What structured messages look like, as an adapter shows it to those who learn their form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

Told = msgspec.Raw | str
"""What stands at one place of a message: JSON as sent, or a field of a table as text."""


class Form(msgspec.Struct, frozen=True, gc=False):
    """What a structured message holds at its outermost places; looked at for its form, never kept."""

    kind: str
    """As mapping files name it."""
    places: Mapping[str, Told]


def _whole(body: bytes, context: bytes, place: str) -> bytes | None:
    """For messages of text alone, where no place can be of another type."""
    del body, context, place
    return None


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter knows of the form of its messages; all of it is pure."""

    form: Callable[[bytes, bytes], Form | None]
    """From a message and its context; None when its form says nothing (a deletion, a message of our own)."""
    origins: Callable[[str], Sequence[str]]
    """The outermost places that a path of a mapping file is read from; none for what stands in no message."""
    without: Callable[[bytes, bytes, str], bytes | None] = _whole
    """The message without one place that cannot be read; None when the adapter itself needs that place."""


@runtime_checkable
class Shaped(Protocol):
    """What an adapter offers as well when its messages have named places, whose form can be learnt."""

    shape: Shape


@runtime_checkable
class Validating(Protocol):
    """What an adapter offers as well when its standard has a validator of its own."""

    def faults(self, body: bytes) -> str:
        """What that validator finds wrong with a message, in one sentence without its values; empty for nothing."""
