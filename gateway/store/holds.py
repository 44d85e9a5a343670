"""Statements about legal holds: whose data must be kept whatever retention and requests say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Connection, select, update

from gateway.store.rows import Found
from gateway.store.schema_vault import holds


def add(connection: Connection, row: Mapping[str, Any]) -> None:
    """Begin a hold."""
    connection.execute(holds.insert().values(row))


def end(connection: Connection, tenant: str, hold: str, at: int) -> bool:
    """End a hold; False when there is none of that name in force."""
    statement = (
        update(holds)
        .where(holds.c.tenant == tenant, holds.c.hold == hold, holds.c.ended_at.is_(None))
        .values(ended_at=at)
    )
    return connection.execute(statement).rowcount == 1


def every(connection: Connection, tenant: str) -> Sequence[Found]:
    """All holds, ended ones too, oldest first."""
    return connection.execute(select(holds).where(holds.c.tenant == tenant).order_by(holds.c.at)).fetchall()


def in_force(connection: Connection, tenant: str) -> Sequence[Found]:
    """Holds that stand; one without a patient holds everything."""
    query = select(holds).where(holds.c.tenant == tenant, holds.c.ended_at.is_(None))
    return connection.execute(query).fetchall()


def on(connection: Connection, tenant: str, patients: AbstractSet[bytes]) -> Sequence[Found]:
    """Holds that stand and keep the data of one of these patients."""
    return [hold for hold in in_force(connection, tenant) if hold.patient is None or bytes(hold.patient) in patients]
