"""Reading beside a page that cannot be read: what stands elsewhere is found all the same.

Theory of operation. A question that meets a page which the disk does not give back, or which is not as it was written,
ends without an answer for anybody. Here it is asked again about ever fewer rows, until those that cannot be read stand
alone. Indexes and heads are pages of their own, so whose change stands at an unreadable place is still told by them;
where they do not, whoever asked waits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import structlog
from sqlalchemy import Connection, select, text

from gateway.errors import PageUnreadable
from gateway.store import journal
from gateway.store.opening import Store
from gateway.store.rows import Found
from gateway.store.schema import blocks, records
from gateway.store.writer import page_unreadable

K = TypeVar("K")
V = TypeVar("V")
Spans = Mapping[int, tuple[int, int]]
Lost = Mapping[int, Mapping[int, "LostChange"]]
"""Changes that cannot be read, by lane and position."""
NONE_LOST: Lost = MappingProxyType({})
UNREADABLE = "unreadable"
"""Kind of a change whose own row cannot be read."""
AHEAD = 512
"""Positions of a lane behind a cursor that are tried one by one: more than one look at the journal reads."""

_ROW = text(
    "SELECT rowid FROM changes INDEXED BY sqlite_autoindex_changes_1"
    " WHERE tenant = :tenant AND lane = :lane AND position = :position"
)
_WHOSE = text("SELECT record_id FROM changes INDEXED BY changes_record WHERE tenant = :tenant AND rowid = :number")
_COUNTS = text(
    "SELECT count(*), sum(rowid <= :number) FROM changes INDEXED BY changes_record"
    " WHERE tenant = :tenant AND record_id = :record"
)
"""Each is answered by an index alone; SQLite numbers the rows of a table as they come."""

log = structlog.get_logger(__name__)


class LostChange(NamedTuple):
    """What indexes and heads tell of a change whose own row cannot be read; its locations they do not tell."""

    lane: int
    position: int
    record_id: bytes
    type: str
    source: str
    version: int
    patient: bytes | None
    kind: str = UNREADABLE
    location: None = None
    left_location: None = None


def read_apart(
    store: Store, query: Callable[[Connection, Sequence[K]], Mapping[K, V]], wanted: Collection[K]
) -> tuple[dict[K, V], set[K]]:
    """What a query finds of each of these, and those of them that stand on a page that cannot be read.

    Raises ``PageUnreadable`` when nothing else of the store can be read either.
    """
    some = list(wanted)
    if not some:
        return {}, set()
    try:
        return dict(store.read_sync(lambda connection: query(connection, some))), set()
    except PageUnreadable:
        if len(some) > 1:
            half = len(some) // 2
            found, lost = read_apart(store, query, some[:half])
            more, further = read_apart(store, query, some[half:])
            return found | more, lost | further
        _require_rest(store)
        return {}, set(some)


def lost_changes(store: Store, tenant: str, cursors: Mapping[int, int]) -> Lost:
    """The changes next to be read after ``cursors`` that cannot be read, as far as indexes and heads tell of them.

    Raises ``PageUnreadable`` where they do not: nobody knows whose change it is, and it may be a barrier.
    """
    heads = store.read_sync(lambda connection: journal.heads(connection, tenant))
    spans = {lane: (at, min(heads[lane], at + AHEAD)) for lane, at in cursors.items() if heads.get(lane, 0) > at}
    return told_by_indexes(store, tenant, _unreadable(store, tenant, spans) if spans else ())


def told_by_indexes(store: Store, tenant: str, places: Iterable[tuple[int, int]]) -> Lost:
    """What indexes and heads tell of changes that cannot be read, by their places; ``PageUnreadable`` if nothing."""
    found: dict[int, dict[int, LostChange]] = {}
    for lane, position in places:
        _require_rest(store)
        change = store.read_sync(partial(_told, tenant=tenant, lane=lane, position=position))
        if change is None:
            raise page_unreadable()
        found.setdefault(lane, {})[position] = change
    if found:
        log.error("page-unreadable", what="changes", count=sum(map(len, found.values())))
    return found


def between(connection: Connection, tenant: str, spans: Spans, lost: Lost = NONE_LOST) -> dict[int, list[Found]]:
    """As :func:`gateway.store.journal.between`, with what is known of lost changes in their places."""
    if not lost:
        return journal.between(connection, tenant, spans)
    found: dict[int, list[Any]] = {lane: [] for lane in spans}
    left = dict(spans)
    while left:
        parts, behind = {}, {}
        for lane, (low, high) in left.items():
            bad = min((at for at in lost.get(lane, ()) if low < at <= high), default=None)
            parts[lane] = (low, high if bad is None else bad - 1)
            if bad is not None:
                behind[lane] = (bad, high)
        for lane, rows in journal.between(connection, tenant, parts).items():
            found[lane] += rows
            if lane in behind:
                found[lane].append(lost[lane][behind[lane][0]])
        left = behind
    return found


def _unreadable(store: Store, tenant: str, spans: Spans) -> Iterator[tuple[int, int]]:
    """Places of these spans that cannot be read: the question is halved, by lanes and then within a lane."""
    try:
        store.read_sync(lambda connection: journal.between(connection, tenant, spans))
    except PageUnreadable:
        if len(spans) > 1:
            lanes = sorted(spans)
            for some in (lanes[: len(lanes) // 2], lanes[len(lanes) // 2 :]):
                yield from _unreadable(store, tenant, {lane: spans[lane] for lane in some})
            return
        [(lane, (low, high))] = spans.items()
        if high - low == 1:
            yield lane, high
            return
        middle = (low + high) // 2
        yield from _unreadable(store, tenant, {lane: (low, middle)})
        yield from _unreadable(store, tenant, {lane: (middle, high)})


def _told(connection: Connection, tenant: str, lane: int, position: int) -> LostChange | None:
    """A record's changes are its versions, in the order in which they came, unless one of them is a barrier."""
    at = {"tenant": tenant, "lane": lane, "position": position}
    number = connection.execute(_ROW, at).scalar_one_or_none()
    record = connection.execute(_WHOSE, {"tenant": tenant, "number": number}).scalar_one_or_none()
    if record is None:
        return None
    head = connection.execute(
        select(records).where(records.c.tenant == tenant, records.c.record_id == record)
    ).one_or_none()
    many, version = connection.execute(_COUNTS, {"tenant": tenant, "record": record, "number": number}).one()
    if head is None or many != head.version:
        return None
    return LostChange(lane, position, bytes(record), head.type, head.source, version, head.patient)


def _require_rest(store: Store) -> None:
    """Raise unless something else of the store can be read: a disk that gives nothing back is no unreadable page."""
    store.read_sync(lambda connection: connection.execute(select(blocks)).fetchall())
