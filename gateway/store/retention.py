"""Statements about messages whose time to be kept is over."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from gateway.store.schema import changes, inbox, messages, outcomes
from gateway.store.schema_vault import told_of


def over(
    connection: Connection,
    tenant: str,
    before: int,
    sources: Sequence[str],
    held: Sequence[bytes],
    keys: Sequence[int],
    most: int,
) -> list[int]:
    """Settled messages that came before ``before`` (microseconds) and still have bytes, oldest first.

    What waits or is in quarantine is none of them, nor is what told of a patient in ``held``, whose keys are ``keys``:
    a message that changed nothing is known by its key alone.
    """
    same = (outcomes.c.tenant == messages.c.tenant) & (outcomes.c.message_id == messages.c.message_id)
    last = select(func.max(outcomes.c.attempt)).where(same).correlate(messages).scalar_subquery()
    settled = select(outcomes.c.message_id).where(
        same, outcomes.c.attempt == last, outcomes.c.outcome.in_(("normalized", "suppressed"))
    )
    waits = select(inbox.c.message_id).where(
        inbox.c.tenant == messages.c.tenant, inbox.c.message_id == messages.c.message_id
    )
    query = select(messages.c.message_id).where(
        messages.c.tenant == tenant, messages.c.received_at < before, messages.c.box.is_not(None),
        settled.exists(), ~waits.exists(),
    )  # fmt: skip
    if sources:
        query = query.where(messages.c.source.in_(list(sources)))
    if held:
        about = (
            select(table.c.message_id).where(table.c.tenant == tenant, table.c.patient.in_(list(held)))
            for table in (changes, told_of)
        )
        sealed = select(outcomes.c.message_id).where(outcomes.c.tenant == tenant, outcomes.c.key_id.in_(list(keys)))
        for kept in (*about, sealed):
            query = query.where(messages.c.message_id.not_in(kept))
    return list(connection.execute(query.order_by(messages.c.message_id).limit(most)).scalars())
