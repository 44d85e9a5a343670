"""Statements about pairs of a reactor's group and a record, whatever the pair stands for."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Table, bindparam, delete

from gateway.store.bulk import Bulk

Pair = tuple[bytes, bytes]
"""Group and record."""


class Pairing:
    """Adds and takes away the rows of one table of pairs."""

    def __init__(self, table: Table) -> None:
        self._add = Bulk(table.insert())
        self._leave = Bulk(
            delete(table).where(
                table.c.tenant == bindparam("b_tenant"),
                table.c.reactor == bindparam("b_reactor"),
                table.c.group_id == bindparam("b_group"),
                table.c.record_id == bindparam("b_record"),
            )
        )

    def __call__(
        self, connection: Connection, tenant: str, reactor: str, came: Iterable[Pair], left: Iterable[Pair]
    ) -> None:
        """Take away the pairs that ``left`` and add those that ``came``."""
        key = {"b_tenant": tenant, "b_reactor": reactor}
        self._leave(connection, [key | {"b_group": group, "b_record": record} for group, record in sorted(left)])
        self._add(
            connection,
            [
                {"tenant": tenant, "reactor": reactor, "group_id": group, "record_id": record}
                for group, record in sorted(came)
            ],
        )
