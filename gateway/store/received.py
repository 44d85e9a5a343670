"""Statements about what was received together: a message, its parts, who can open them, and whom they tell of."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, union

from gateway.store.rows import Found
from gateway.store.schema import changes, inbox, messages, outcomes
from gateway.store.schema_vault import told_of


def with_parts(connection: Connection, tenant: str, message: Found, most: int) -> list[int]:
    """A message and, in their order, the messages cut out of what it tells of as a whole; at most ``most`` + 1.

    Parts bear its control id with a slash and a number of their own, and were stored before it, after the last message
    of the same control id. Of a repeat it is the first that counts.
    """
    same = (messages.c.tenant == tenant) & (messages.c.source == message.source) & (messages.c.answer == "AA")
    before = select(func.max(messages.c.message_id)).where(
        same, messages.c.control_id == message.control_id, messages.c.message_id < message.message_id
    )
    after = connection.execute(before).scalar_one_or_none() or 0
    parts = (
        select(messages.c.message_id, messages.c.repeat_of)
        .where(
            same, messages.c.control_id.startswith(f"{message.control_id}/", autoescape=True),
            messages.c.message_id > after, messages.c.message_id < message.message_id,
        )
        .order_by(messages.c.message_id)
        .limit(most + 1)
    )  # fmt: skip
    first = [row.repeat_of or row.message_id for row in connection.execute(parts)]
    return list(dict.fromkeys([message.message_id, *first]))


def boxes(connection: Connection, tenant: str, ids: Sequence[int]) -> dict[int, Found]:
    """Messages with their sealed bytes."""
    query = select(messages).where(messages.c.tenant == tenant, messages.c.message_id.in_(list(ids)))
    return {row.message_id: row for row in connection.execute(query)}


def last_outcomes(connection: Connection, tenant: str, ids: Sequence[int]) -> dict[int, Found]:
    """The last outcome of each message, with what opens it; one that still waits has none."""
    query = (
        select(outcomes)
        .where(outcomes.c.tenant == tenant, outcomes.c.message_id.in_(list(ids)))
        .order_by(outcomes.c.message_id, outcomes.c.attempt)
    )
    return {row.message_id: row for row in connection.execute(query)}


def sizes(connection: Connection, tenant: str, after: int, most: int) -> Sequence[Found]:
    """The next messages with bytes, by id: (message_id, size of what is sealed)."""
    query = (
        select(messages.c.message_id, func.length(messages.c.box).label("size"))
        .where(messages.c.tenant == tenant, messages.c.message_id > after, messages.c.box.is_not(None))
        .order_by(messages.c.message_id)
        .limit(most)
    )
    return connection.execute(query).fetchall()


def keys(connection: Connection, tenant: str, ids: Sequence[int]) -> dict[int, Found]:
    """What opens each message: the key beside its last outcome, or in the inbox while it waits."""
    query = select(inbox).where(inbox.c.tenant == tenant, inbox.c.message_id.in_(list(ids)))
    waiting = {row.message_id: row for row in connection.execute(query)}
    return last_outcomes(connection, tenant, ids) | waiting


def patients(connection: Connection, tenant: str, ids: Sequence[int]) -> frozenset[bytes]:
    """Everybody of whom these messages tell."""
    query = union(
        *(
            select(table.c.patient).where(
                table.c.tenant == tenant, table.c.message_id.in_(list(ids)), table.c.patient.is_not(None)
            )
            for table in (changes, told_of)
        )
    )
    return frozenset(bytes(found) for found in connection.execute(query).scalars())
