"""Statements about groups of a reactor that are derived together, because one record belongs to all of them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, and_, select

from gateway.store.bulk import portions
from gateway.store.pairing import Pairing
from gateway.store.schema_reactors import reactor_groups, reactor_joins

rejoin = Pairing(reactor_joins)
"""Joins groups by records and parts them."""


def joined(connection: Connection, tenant: str, reactor: str, groups: Iterable[bytes]) -> dict[bytes, set[bytes]]:
    """The other groups with which each of these is derived; a group without any is not named."""
    other = reactor_joins.alias()
    query = (
        select(reactor_joins.c.group_id, other.c.group_id.label("other"))
        .join(
            other,
            and_(
                other.c.tenant == reactor_joins.c.tenant,
                other.c.reactor == reactor_joins.c.reactor,
                other.c.record_id == reactor_joins.c.record_id,
                other.c.group_id != reactor_joins.c.group_id,
            ),
        )
        .join(
            reactor_groups,
            and_(
                reactor_groups.c.tenant == other.c.tenant,
                reactor_groups.c.reactor == other.c.reactor,
                reactor_groups.c.group_id == other.c.group_id,
            ),
        )
        .where(reactor_joins.c.tenant == tenant, reactor_joins.c.reactor == reactor)
    )
    found: dict[bytes, set[bytes]] = {}
    for some in portions(groups):
        for row in connection.execute(query.where(reactor_joins.c.group_id.in_(some))):
            found.setdefault(bytes(row.group_id), set()).add(bytes(row.other))
    return found
