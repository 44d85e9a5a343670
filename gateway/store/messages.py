"""Statements about messages: storing them, finding repeats, the inbox of what waits, the outcomes of what does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, select, tuple_

from gateway.store.bulk import Among, Bulk, Upsert
from gateway.store.rows import Found, counted
from gateway.store.schema import contexts, inbox, messages, outcomes, residue, source_cursors

Values = Mapping[str, Any]
Ending = tuple[str | None, str | None]
"""(outcome, reason)."""

_same_control = Among(
    lambda controls: select(
        messages.c.control_id, messages.c.message_id, messages.c.digest, messages.c.repeat_of
    ).where(
        messages.c.tenant == bindparam("tenant"),
        messages.c.source == bindparam("source"),
        messages.c.control_id.in_(controls),
    )
)
_add_residue = Upsert(residue, lambda new: {"count": residue.c.count + new["count"]})
_add_messages, _add_inbox, _add_contexts, _add_outcomes = (
    Bulk(table.insert()) for table in (messages, inbox, contexts, outcomes)
)
_leave_inbox = Among(
    lambda places: (
        delete(inbox)
        .where(inbox.c.tenant == bindparam("tenant"), tuple_(inbox.c.lane, inbox.c.message_id).in_(places))
        .returning(inbox.c.message_id)
    )
)


def same_control(connection: Connection, tenant: str, source: str, controls: Iterable[str]) -> Sequence[Found]:
    """Messages of one source that came with any of these control ids: (control_id, message_id, digest, repeat_of)."""
    return _same_control(connection, {"tenant": tenant, "source": source}, controls)


def add(connection: Connection, rows: Sequence[Values], waiting: Sequence[Values]) -> None:
    """Store messages, and an inbox row with its key for each that shall be normalized."""
    _add_messages(connection, rows)
    _add_inbox(connection, waiting)


def add_contexts(connection: Connection, rows: Sequence[Values]) -> None:
    """Store the sealed envelopes that messages were cut from."""
    _add_contexts(connection, rows)


def settle(connection: Connection, done: Sequence[Values]) -> None:
    """Write outcomes."""
    _add_outcomes(connection, done)


def leave_inbox(connection: Connection, tenant: str, places: Sequence[tuple[int, int]]) -> frozenset[int]:
    """Take messages (lane, message id) out of the inbox; those of them that were not there any more."""
    left = _leave_inbox(connection, {"tenant": tenant}, places)
    return frozenset(message_id for _, message_id in places).difference(row.message_id for row in left)


def waiting(connection: Connection, tenant: str) -> Sequence[Found]:
    """Everything without an outcome, oldest first: (message_id, source, lane)."""
    query = (
        select(inbox.c.message_id, messages.c.source, inbox.c.lane)
        .join(messages, and_(messages.c.tenant == inbox.c.tenant, messages.c.message_id == inbox.c.message_id))
        .where(inbox.c.tenant == tenant)
        .order_by(inbox.c.message_id)
    )
    return connection.execute(query).fetchall()


def pending(connection: Connection, tenant: str, ids: Iterable[int]) -> Sequence[Found]:
    """Those of these messages that have no outcome, with their inbox keys."""
    same = (inbox.c.tenant == messages.c.tenant, inbox.c.lane == messages.c.lane)
    query = (
        select(messages, inbox.c.key_id, inbox.c.wrapped)
        .join(inbox, and_(*same, inbox.c.message_id == messages.c.message_id))
        .where(messages.c.tenant == tenant, messages.c.message_id.in_(list(ids)))
    )
    return connection.execute(query).fetchall()


def kept_in_inbox(connection: Connection, tenant: str, ids: Iterable[int] | None = None) -> Sequence[Found]:
    """What the inbox alone tells of what waits, of these messages or of all, oldest first: lane, message id and key."""
    query = select(inbox).where(inbox.c.tenant == tenant).order_by(inbox.c.message_id)
    return connection.execute(query if ids is None else query.where(inbox.c.message_id.in_(list(ids)))).fetchall()


def sources_of(connection: Connection, tenant: str, ids: Iterable[int]) -> dict[int, str]:
    """By which source each of these messages came."""
    query = select(messages.c.message_id, messages.c.source).where(
        messages.c.tenant == tenant, messages.c.message_id.in_(list(ids))
    )
    return {row.message_id: row.source for row in connection.execute(query)}


def pending_count(connection: Connection, tenant: str) -> int:
    """How many messages wait to be normalized."""
    return connection.execute(select(func.count()).select_from(inbox).where(inbox.c.tenant == tenant)).scalar_one()


def contexts_of(connection: Connection, tenant: str, ids: Iterable[int]) -> dict[int, Found]:
    """Sealed envelopes by id."""
    wanted = list(ids)
    if not wanted:
        return {}
    query = select(contexts).where(contexts.c.tenant == tenant, contexts.c.context_id.in_(wanted))
    return {row.context_id: row for row in connection.execute(query)}


def one(connection: Connection, tenant: str, message_id: int) -> Found | None:
    """A message as stored."""
    query = select(messages).where(messages.c.tenant == tenant, messages.c.message_id == message_id)
    return connection.execute(query).one_or_none()


def outcomes_of(connection: Connection, tenant: str, message_id: int) -> Sequence[Found]:
    """What became of a message, first to last."""
    query = (
        select(outcomes)
        .where(outcomes.c.tenant == tenant, outcomes.c.message_id == message_id)
        .order_by(outcomes.c.attempt)
    )
    return connection.execute(query).fetchall()


def normalized_before(connection: Connection, tenant: str, ids: Iterable[int], unless: str) -> frozenset[int]:
    """Which of these messages were folded into records at an earlier attempt, but those let go last for this reason."""
    query = (
        select(outcomes.c.message_id, outcomes.c.outcome, outcomes.c.reason)
        .where(outcomes.c.tenant == tenant, outcomes.c.message_id.in_(list(ids)))
        .order_by(outcomes.c.attempt)
    )
    rows = connection.execute(query).fetchall()
    last = {row.message_id: row.reason for row in rows}
    return frozenset(row.message_id for row in rows if row.outcome == "normalized" and last[row.message_id] != unless)


def latest(
    connection: Connection, tenant: str, *, outcome: str | None = None, limit: int = 100, before: int | None = None
) -> Sequence[Found]:
    """The newest messages, or the newest ``before`` one, with their last outcome (``outcome`` None while pending)."""
    last = _last_outcomes(tenant).subquery()
    query = (
        select(
            messages.c.message_id,
            messages.c.source,
            messages.c.kind,
            messages.c.control_id,
            messages.c.received_at,
            messages.c.answer,
            messages.c.repeat_of,
            messages.c.conflict,
            messages.c.reason.label("fault"),
            last.c.outcome,
            last.c.reason,
            last.c.place,
            last.c.fix,
            last.c.changes,
            last.c.attempt,
        )
        .outerjoin(last, last.c.message_id == messages.c.message_id)
        .where(messages.c.tenant == tenant)
        .order_by(messages.c.message_id.desc())
        .limit(limit)
    )
    if outcome is not None:
        query = query.where(last.c.outcome == outcome)
    if before is not None:
        query = query.where(messages.c.message_id < before)
    return connection.execute(query).fetchall()


def tally(connection: Connection, tenant: str, *, source: str = "", since: int = 0) -> Counter[Ending]:
    """Accepted messages by (last outcome, reason), None while pending; evidence of refused bytes is left out.

    Args:
        connection: the store.
        tenant: whose messages.
        source: only those of this source, when named.
        since: only messages of this id and greater ones.
    """
    last = _last_outcomes(tenant, since).subquery()
    query = (
        select(last.c.outcome, last.c.reason)
        .select_from(messages.outerjoin(last, last.c.message_id == messages.c.message_id))
        .where(messages.c.tenant == tenant, messages.c.answer == "AA", messages.c.message_id >= since)
    )
    if source:
        query = query.where(messages.c.source == source)
    return counted(connection, query)


def _last_outcomes(tenant: str, since: int = 0) -> Any:  # SQLAlchemy's own generic for a select of many columns
    later = outcomes.alias("later")
    return select(outcomes).where(
        outcomes.c.tenant == tenant,
        outcomes.c.message_id >= since,
        ~select(later.c.attempt)
        .where(
            later.c.tenant == outcomes.c.tenant,
            later.c.message_id == outcomes.c.message_id,
            later.c.attempt > outcomes.c.attempt,
        )
        .exists(),
    )


def count_residue(connection: Connection, tenant: str, counts: Mapping[tuple[str, str, str], int]) -> None:
    """Add to the number of times each (source, kind, path) held something no rule reads."""
    rows = [
        {"tenant": tenant, "source": source, "kind": kind, "path": path, "count": count}
        for (source, kind, path), count in sorted(counts.items())
    ]
    _add_residue(connection, rows)


def residue_of(connection: Connection, tenant: str) -> Sequence[Found]:
    """Unmapped places by source and kind, most frequent first."""
    query = select(residue).where(residue.c.tenant == tenant).order_by(residue.c.count.desc())
    return connection.execute(query).fetchall()


def set_cursor(connection: Connection, tenant: str, source: str, stream: str, cursor: str, at: int) -> None:
    """Move a stream's cursor, in the same commit as the messages it stands for."""
    where = and_(
        source_cursors.c.tenant == tenant, source_cursors.c.source == source, source_cursors.c.stream == stream
    )
    if connection.execute(source_cursors.update().where(where).values(cursor=cursor, at=at)).rowcount == 0:
        connection.execute(
            source_cursors.insert().values(tenant=tenant, source=source, stream=stream, cursor=cursor, at=at)
        )


def cursor(connection: Connection, tenant: str, source: str, stream: str) -> str | None:
    """The cursor committed last."""
    query = select(source_cursors.c.cursor).where(
        source_cursors.c.tenant == tenant, source_cursors.c.source == source, source_cursors.c.stream == stream
    )
    return connection.execute(query).scalar_one_or_none()


def cursors(connection: Connection, tenant: str, prefix: str) -> Sequence[Found]:
    """Source, stream and cursor of all streams whose name begins so."""
    query = select(source_cursors.c.source, source_cursors.c.stream, source_cursors.c.cursor).where(
        source_cursors.c.tenant == tenant, source_cursors.c.stream.startswith(prefix, autoescape=True)
    )
    return connection.execute(query.order_by(source_cursors.c.source, source_cursors.c.stream)).fetchall()


def attempts_of(connection: Connection, tenant: str, ids: Iterable[int]) -> dict[int, int]:
    """How many outcome rows each of these messages has: the number of its next one."""
    query = (
        select(outcomes.c.message_id, func.count().label("number"))
        .where(outcomes.c.tenant == tenant, outcomes.c.message_id.in_(list(ids)))
        .group_by(outcomes.c.message_id)
    )
    return {row.message_id: row.number for row in connection.execute(query)}


def waits(connection: Connection, tenant: str, source: str, lane: int) -> bool:
    """Whether a message of this source waits in this lane to be normalized."""
    query = (
        select(inbox.c.message_id)
        .join(messages, and_(messages.c.tenant == inbox.c.tenant, messages.c.message_id == inbox.c.message_id))
        .where(inbox.c.tenant == tenant, inbox.c.lane == lane, messages.c.source == source)
        .limit(1)
    )
    return connection.execute(query).first() is not None


def waits_before(connection: Connection, tenant: str, source: str, message_id: int) -> bool:
    """Whether a message of this source that is older than this one waits to be normalized."""
    query = (
        select(inbox.c.message_id)
        .join(messages, and_(messages.c.tenant == inbox.c.tenant, messages.c.message_id == inbox.c.message_id))
        .where(inbox.c.tenant == tenant, inbox.c.message_id < message_id, messages.c.source == source)
        .limit(1)
    )
    return connection.execute(query).first() is not None


def last_heard(connection: Connection, tenant: str, source: str) -> int:
    """When a source brought a message, or a poll of it was answered, last; 0 when never."""
    message = (
        select(messages.c.received_at)
        .where(messages.c.tenant == tenant, messages.c.source == source)
        .order_by(messages.c.message_id.desc())
        .limit(1)
    )
    polled = select(func.max(source_cursors.c.at)).where(
        source_cursors.c.tenant == tenant, source_cursors.c.source == source
    )
    return max(connection.execute(query).scalar_one_or_none() or 0 for query in (message, polled))
