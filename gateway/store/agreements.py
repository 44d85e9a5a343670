"""Statements about agreements: with which parties there is one on file, and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, or_, select, update

from gateway.store.rows import Found
from gateway.store.schema_audit import agreements


def add(connection: Connection, agreement: Mapping[str, Any]) -> None:
    """Keep a new agreement."""
    connection.execute(agreements.insert().values(agreement))


def end(connection: Connection, tenant: str, agreement: str, at: int) -> bool:
    """End an agreement before its time; False when there is none of that id that has not ended."""
    chosen = (
        update(agreements)
        .where(
            agreements.c.tenant == tenant, agreements.c.agreement == agreement, agreements.c.ended_at.is_(None)
        )
        .values(ended_at=at)
        .returning(agreements.c.agreement)
    )  # fmt: skip
    return connection.execute(chosen).one_or_none() is not None


def everyone(connection: Connection, tenant: str) -> Sequence[Found]:
    """All agreements of a tenant, ended ones too, by party."""
    query = select(agreements).where(agreements.c.tenant == tenant).order_by(agreements.c.party, agreements.c.added_at)
    return connection.execute(query).fetchall()


def valid(connection: Connection, at: int, tenant: str | None = None) -> set[tuple[str, str]]:
    """(tenant, party) of every agreement that holds at a moment (microseconds)."""
    query = select(agreements.c.tenant, agreements.c.party).where(
        agreements.c.starts_at <= at,
        or_(agreements.c.ends_at.is_(None), agreements.c.ends_at > at),
        or_(agreements.c.ended_at.is_(None), agreements.c.ended_at > at),
    )
    if tenant is not None:
        query = query.where(agreements.c.tenant == tenant)
    return {(row.tenant, row.party) for row in connection.execute(query)}
