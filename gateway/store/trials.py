"""Statements about trials: what a normalizer has at hand while it runs, and what its last run left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, and_, delete, func, select

from gateway.store.schema import inbox
from gateway.store.schema_trials import trials


def left(connection: Connection, tenant: str, seat: int) -> dict[int, int] | None:
    """What a run that did not end in order had named, by message id; None when there is no such run."""
    query = select(trials.c.named).where(trials.c.tenant == tenant, trials.c.seat == seat)
    named: str | None = connection.execute(query).scalar_one_or_none()
    return None if named is None else dict(json.loads(named))


def put(connection: Connection, tenant: str, seat: int, named: Mapping[int, int], at: int) -> None:
    """Say that a run is on, and what it is about to try; nothing is named for what comes from memory."""
    end(connection, tenant, seat)
    connection.execute(trials.insert().values(tenant=tenant, seat=seat, named=json.dumps(list(named.items())), at=at))


def end(connection: Connection, tenant: str, seat: int) -> None:
    """A run ended in order."""
    connection.execute(delete(trials).where(and_(trials.c.tenant == tenant, trials.c.seat == seat)))


def still_waiting(connection: Connection, tenant: str, ids: Iterable[int]) -> frozenset[int]:
    """Which of these messages wait to be normalized."""
    query = select(inbox.c.message_id).where(inbox.c.tenant == tenant, inbox.c.message_id.in_(list(ids)))
    return frozenset(connection.execute(query).scalars())


def newest_waiting(connection: Connection, tenant: str) -> int:
    """The newest message that waits to be normalized; 0 when none does."""
    return connection.execute(select(func.max(inbox.c.message_id)).where(inbox.c.tenant == tenant)).scalar_one() or 0


def any_waits(connection: Connection, tenant: str, upto: int) -> bool:
    """Whether a message waits that is no newer than this one."""
    query = select(inbox.c.message_id).where(inbox.c.tenant == tenant, inbox.c.message_id <= upto).limit(1)
    return connection.execute(query).first() is not None
