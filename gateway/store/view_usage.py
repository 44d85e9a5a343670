"""Statements about what views let out: fields of deliveries by route, types of pages by client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, select

from gateway.store.rows import counted
from gateway.store.schema import changes, deliveries
from gateway.store.schema_http import disclosures


class Sent(NamedTuple):
    """Deliveries of one record type on one route that held the same fields."""

    route: str
    type: str
    fields: tuple[str, ...]
    times: int


class Fetched(NamedTuple):
    """Pages of one client on which the same record types stood, as rows of patients."""

    client: str
    types: tuple[str, ...]
    view: bytes
    times: int


def sent(connection: Connection, tenant: str) -> Iterator[Sent]:
    """What the routes of a tenant delivered, ever."""
    query = (
        select(deliveries.c.route, changes.c.type, deliveries.c.fields)
        .join(
            changes,
            (changes.c.tenant == deliveries.c.tenant)
            & (changes.c.lane == deliveries.c.lane)
            & (changes.c.position == deliveries.c.position),
        )
        .where(deliveries.c.tenant == tenant, deliveries.c.outcome == "delivered")
    )
    for (route, type_name, fields), count in counted(connection, query).items():
        yield Sent(route, type_name, tuple(fields.split(",")) if fields else (), count)


def fetched(connection: Connection, tenant: str) -> Iterator[Fetched]:
    """What the clients of a tenant fetched, ever."""
    query = select(disclosures.c.client, disclosures.c.types, disclosures.c.view).where(disclosures.c.tenant == tenant)
    for (client, types, view), count in counted(connection, query).items():
        yield Fetched(client, tuple(types.split(",")), bytes(view), count)
