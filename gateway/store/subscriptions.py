"""Statements about subscriptions: what clients asked to be told of, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from gateway.store.rows import Found
from gateway.store.schema_hooks import subscriptions
from gateway.store.schema_http import clients


def add(connection: Connection, row: Mapping[str, Any]) -> None:
    """Keep a new subscription."""
    connection.execute(subscriptions.insert().values(row))


def of_client(connection: Connection, tenant: str, client: str) -> Sequence[Found]:
    """One client's subscriptions that have not ended, oldest first."""
    query = (
        select(subscriptions)
        .where(
            subscriptions.c.tenant == tenant, subscriptions.c.client == client, subscriptions.c.ended_at.is_(None)
        )
        .order_by(subscriptions.c.created_at, subscriptions.c.subscription)
    )  # fmt: skip
    return connection.execute(query).fetchall()


def readdress(connection: Connection, tenant: str, subscription: str, url: str, asked: str) -> None:
    """Put the sealed address in the place of one in the clear."""
    connection.execute(
        update(subscriptions)
        .where(subscriptions.c.tenant == tenant, subscriptions.c.subscription == subscription)
        .values(url=url, asked=asked)
    )


def end(connection: Connection, tenant: str, subscription: str, at: int) -> None:
    """Let it be told of nothing more."""
    connection.execute(
        update(subscriptions)
        .where(subscriptions.c.tenant == tenant, subscriptions.c.subscription == subscription)
        .values(ended_at=at)
    )


def rotate(connection: Connection, tenant: str, subscription: str, at: int) -> None:
    """Sign by the next secret from now on."""
    connection.execute(
        update(subscriptions)
        .where(subscriptions.c.tenant == tenant, subscriptions.c.subscription == subscription)
        .values(generation=subscriptions.c.generation + 1, rotated_at=at)
    )


def close(connection: Connection, tenant: str, subscription: str, at: int) -> None:
    """All that it had not delivered has its verdict: it is among those of :func:`unclosed` no more."""
    connection.execute(
        update(subscriptions)
        .where(subscriptions.c.tenant == tenant, subscriptions.c.subscription == subscription)
        .values(closed_at=at)
    )


def unclosed(connection: Connection) -> tuple[Sequence[Found], Sequence[Found]]:
    """Those that run, with what their client may see; and those that ended, or whose client was revoked.

    What was closed is found by neither: it costs nothing, however many there were.
    """
    rows = connection.execute(_with_client().where(subscriptions.c.closed_at.is_(None))).fetchall()
    over = [row for row in rows if row.ended_at is not None or row.revoked_at is not None]
    return [row for row in rows if row.ended_at is None and row.revoked_at is None], over


def _with_client() -> Any:  # SQLAlchemy's own generic for a select of many columns
    return (
        select(
            subscriptions, clients.c.view, clients.c.purpose, clients.c.recipient, clients.c.scopes,
            clients.c.locations, clients.c.hook_hosts, clients.c.revoked_at,
        )
        .join(clients, clients.c.client == subscriptions.c.client)
        .order_by(subscriptions.c.tenant, subscriptions.c.subscription)
    )  # fmt: skip
