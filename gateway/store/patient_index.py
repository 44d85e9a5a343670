"""Statements about the blind indexes that patients are found by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from gateway.store.bulk import Bulk
from gateway.store.rows import Found
from gateway.store.schema import changes, records
from gateway.store.schema_vault import patient_index

_add = Bulk(patient_index.insert())
_drop = Bulk(
    delete(patient_index).where(
        patient_index.c.tenant == bindparam("b_tenant"), patient_index.c.record_id == bindparam("b_record")
    )
)


def put(connection: Connection, tenant: str, known: Sequence[bytes], rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace what these records were found by; ``known`` are those that may have rows already."""
    _drop(connection, [{"b_tenant": tenant, "b_record": record_id} for record_id in known])
    _add(connection, rows)


def find(connection: Connection, tenant: str, kind: int, blind: bytes) -> list[bytes]:
    """Patients with this value."""
    query = select(patient_index.c.record_id).where(
        patient_index.c.tenant == tenant, patient_index.c.kind == kind, patient_index.c.blind == blind
    )
    return [bytes(record_id) for record_id in connection.execute(query).scalars()]


def patients(connection: Connection, tenant: str, after: bytes, most: int) -> Sequence[Found]:
    """Newest versions of the next patients' records that are there, with sealed content."""
    query = (
        select(changes)
        .select_from(
            records.join(
                changes,
                (changes.c.tenant == records.c.tenant)
                & (changes.c.lane == records.c.lane)
                & (changes.c.position == records.c.position),
            )
        )
        .where(
            records.c.tenant == tenant, records.c.type == "Patient", records.c.removed.is_(False),
            records.c.record_id > after,
        )
        .order_by(records.c.record_id)
        .limit(most)
    )  # fmt: skip
    return connection.execute(query).fetchall()
