"""Absence: a record that its source lists no more, told as a message of that source.

So ledger, journal, provenance and replay treat a deletion that a sweep found like any other news. It carries the
source version that the sweep knew: when news of the record arrived meanwhile, the absence is stale and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gateway.model.exchange import Item
from gateway.model.patch import Normalized, Patch

KIND = "absence"
REASON = "absent-from-full-list"
_CONTEXT = b"\0absence"
"""No envelope begins with NUL, and no adapter hears of it."""
Normalize = Callable[[bytes, bytes], Normalized]


class Absent(msgspec.Struct, frozen=True):
    """What the message says."""

    type: str
    native_id: str
    source_version: str
    also: tuple[tuple[str, str], ...] = ()
    """Type and native id of further records that were made of the same row alone."""
    reason: str = REASON


_read = msgspec.json.Decoder(Absent).decode
_write = msgspec.json.Encoder().encode


def absence_item(absent: Absent, record_id: str, begun: str) -> Item:
    """The message; ``record_id`` and the sweep's beginning name it, never an id of the source."""
    return Item(
        body=_write(absent), kind=KIND, control_id=f"{KIND}:{record_id}:{begun}", order_key=None, context=_CONTEXT
    )


def reading_absences(normalize: Normalize) -> Normalize:
    """An adapter's function that reads the core's own messages too."""

    def read(body: bytes, context: bytes) -> Normalized:
        if context != _CONTEXT:
            return normalize(body, context)
        absent = _read(body)
        gone = ((absent.type, absent.native_id), *absent.also)
        return Normalized(patches=tuple(_removal(type, native, absent.source_version) for type, native in gone))

    return read


def _removal(type: str, native_id: str, version: str) -> Patch:
    return Patch(type=type, native_id=native_id, operation="remove", source_version=version or None)


def also_absent(native_id: str, also: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Further records of a row, by the endings of their native ids."""
    return tuple((type, native_id + ending) for type, ending in also)
