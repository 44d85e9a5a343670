"""Statements about uses of the emergency role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from gateway.store.rows import Found
from gateway.store.schema_people import breakglass


def add(connection: Connection, row: Mapping[str, Any]) -> None:
    """Keep a new use."""
    connection.execute(breakglass.insert().values(row))


def uses(connection: Connection, tenant: str, *, pending: bool) -> Sequence[Found]:
    """Uses at one clinic group, oldest first; only those that nobody has reviewed, when ``pending``."""
    query = select(breakglass).where(breakglass.c.tenant == tenant)
    if pending:
        query = query.where(breakglass.c.reviewed_at.is_(None))
    return connection.execute(query.order_by(breakglass.c.started_at, breakglass.c.use)).fetchall()


def active(connection: Connection, actor: str, now: int) -> frozenset[str]:
    """The clinic groups for which somebody has broken the glass, and the time is not over."""
    query = select(breakglass.c.tenant).where(
        breakglass.c.actor == actor, breakglass.c.started_at <= now, breakglass.c.ends_at > now
    )
    return frozenset(connection.execute(query).scalars())


def end(connection: Connection, tenant: str, use: str, now: int) -> None:
    """Let a use end now, if it has not ended yet."""
    mine = (breakglass.c.tenant == tenant) & (breakglass.c.use == use) & (breakglass.c.ends_at > now)
    connection.execute(update(breakglass).where(mine).values(ends_at=now))


def review(connection: Connection, tenant: str, use: str, reviewer: str, verdict: str, now: int) -> bool:
    """Keep a verdict; False when there is no such use, or it has one."""
    done = connection.execute(
        update(breakglass)
        .where(breakglass.c.tenant == tenant, breakglass.c.use == use, breakglass.c.reviewed_at.is_(None))
        .values(reviewer=reviewer, verdict=verdict, reviewed_at=now)
    )
    return bool(done.rowcount)
