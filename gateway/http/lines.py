"""The JSON of the feed: one object per change or record, the same in an array and in NDJSON."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

from gateway.flow.clock import iso
from gateway.http.reading import Shown

NDJSON = "application/x-ndjson"


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One change of one record."""

    change: Literal["created", "updated", "removed", "merged"]
    type: str
    id: str
    version: int
    """Counts a record's versions; a version that comes twice is the same change, and may be ignored."""
    at: str
    """When the journal took the change."""
    source: str
    observed_at: str
    """How fresh the source was: when the message behind the change arrived."""
    record: msgspec.Raw | None = None
    """The granted fields that the record holds; absent when what is stored is damaged."""
    damaged: bool = False
    shredded: bool = False
    """Whether what opens it was destroyed on purpose."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One record as it stands."""

    type: str
    id: str
    version: int
    at: str
    source: str
    observed_at: str
    record: msgspec.Raw | None = None
    damaged: bool = False
    shredded: bool = False


class End(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last line of NDJSON, and the frame of JSON."""

    cursor: str | None = None
    """Present it as ``after`` once everything before it is safe with you."""
    next: str | None = None
    """Where a list goes on; absent at its end."""
    more: bool = False
    """Whether there is more already."""


encode = msgspec.json.Encoder().encode
_iso = lru_cache(4096)(iso)
"""Many changes share their times: those of one commit, and those of one message."""


def change_line(shown: Shown) -> bytes:
    """A change as JSON."""
    row, projection, shredded = shown
    body = None if projection is None else msgspec.Raw(projection.body)
    return encode(
        Change(
            change=row.kind, type=row.type, id=shown.id, version=row.version, at=_iso(row.at), source=row.source,
            observed_at=_iso(row.observed_at), record=body, damaged=projection is None and not shredded,
            shredded=shredded,
        )
    )  # fmt: skip


def record_line(shown: Shown) -> bytes:
    """A record as JSON."""
    row, projection, shredded = shown
    body = None if projection is None else msgspec.Raw(projection.body)
    return encode(
        Record(
            type=row.type, id=shown.id, version=row.version, at=_iso(row.at), source=row.source,
            observed_at=_iso(row.observed_at), record=body, damaged=projection is None and not shredded,
            shredded=shredded,
        )
    )  # fmt: skip


def framed(name: str, lines: list[bytes], end: End) -> bytes:
    """One JSON document: the lines as an array called ``name``, and the end's fields."""
    rest = encode(end)[1:]
    comma = b"," if len(rest) > 1 else b""
    return b'{"' + name.encode() + b'":[' + b",".join(lines) + b"]" + comma + rest


def line_ended(lines: list[bytes]) -> bytes:
    """NDJSON."""
    return b"".join(line + b"\n" for line in lines)
