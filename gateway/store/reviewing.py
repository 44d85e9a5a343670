"""Questions of reviewers: whose a record is, which records and messages are a patient's, and what left of whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import ColumnElement, Connection, func, select

from gateway.store.deliveries import DOUBT
from gateway.store.rows import STREAM, Found
from gateway.store.schema import changes, deliveries, records
from gateway.store.schema_http import disclosures

PART = 500
"""Ids asked for in one statement."""


def records_of(connection: Connection, tenant: str, types: Sequence[str], patient: bytes) -> set[bytes]:
    """Records that are about a patient, its own among them."""
    query = select(records.c.record_id).where(
        records.c.tenant == tenant, records.c.type.in_(types), records.c.patient == patient
    )
    return {bytes(found) for found in connection.execute(query).scalars()} | {patient}


def messages_of(connection: Connection, tenant: str, ids: Iterable[bytes]) -> set[int]:
    """Messages that made versions of these records."""
    found: set[int] = set()
    for part in _parts(ids):
        query = select(changes.c.message_id).where(changes.c.tenant == tenant, changes.c.record_id.in_(part))
        found.update(connection.execute(query).scalars())
    return found


def patients_of(connection: Connection, tenant: str, ids: Iterable[bytes]) -> dict[bytes, bytes]:
    """Whose these records are; what is nobody's is left out."""
    found: dict[bytes, bytes] = {}
    for part in _parts(ids):
        query = select(records.c.record_id, records.c.patient).where(
            records.c.tenant == tenant, records.c.record_id.in_(part), records.c.patient.is_not(None)
        )
        found |= {bytes(row.record_id): bytes(row.patient) for row in connection.execute(query)}
    return found


def sent_to(connection: Connection, tenant: str, patient: bytes, since: int, until: int) -> Iterator[Found]:
    """Deliveries of one patient's data in a period, oldest first, with record and type."""
    query = (
        select(deliveries, changes.c.type, changes.c.record_id)
        .join(
            changes,
            (changes.c.tenant == deliveries.c.tenant)
            & (changes.c.lane == deliveries.c.lane)
            & (changes.c.position == deliveries.c.position),
        )
        .where(_delivered(tenant, since, until), deliveries.c.patient == patient)
        .order_by(deliveries.c.at, deliveries.c.route, deliveries.c.lane, deliveries.c.position)
    )
    return iter(connection.execute(query, execution_options=STREAM))


def shown_to(connection: Connection, tenant: str, patient: bytes, since: int, until: int) -> Iterator[Found]:
    """What pages told of one patient in a period, oldest first."""
    query = (
        select(disclosures)
        .where(
            disclosures.c.tenant == tenant, disclosures.c.patient == patient,
            disclosures.c.at >= since, disclosures.c.at < until,
        )
        .order_by(disclosures.c.at, disclosures.c.page)
    )  # fmt: skip
    return iter(connection.execute(query, execution_options=STREAM))


def lane_of(connection: Connection, tenant: str, record_id: bytes) -> int | None:
    """The lane of a record's changes; None when there is no such record."""
    query = select(records.c.lane).where(records.c.tenant == tenant, records.c.record_id == record_id)
    return connection.execute(query).scalar_one_or_none()


def delivered(
    connection: Connection, tenant: str, route: str | None, since: int, until: int
) -> Iterator[tuple[bytes | None, str, str, str]]:
    """Deliveries in a period: (patient, route, recipient, fields)."""
    query = select(deliveries.c.patient, deliveries.c.route, deliveries.c.recipient, deliveries.c.fields).where(
        _delivered(tenant, since, until)
    )
    if route is not None:
        query = query.where(deliveries.c.route == route)
    for row in connection.execute(query, execution_options=STREAM):
        yield None if row.patient is None else bytes(row.patient), row.route, row.recipient, row.fields


def delivered_count(connection: Connection, tenant: str, route: str | None, since: int, until: int) -> int:
    """How many distinct changes were delivered in a period, counted from their places alone."""
    places = select(deliveries.c.route, deliveries.c.lane, deliveries.c.position).where(
        _delivered(tenant, since, until)
    )
    if route is not None:
        places = places.where(deliveries.c.route == route)
    return connection.execute(select(func.count()).select_from(places.distinct().subquery())).scalar_one()


def shown(connection: Connection, tenant: str, client: str | None, since: int, until: int) -> Iterator[Found]:
    """What pages told in a period: disclosure rows."""
    query = select(disclosures).where(
        disclosures.c.tenant == tenant, disclosures.c.at >= since, disclosures.c.at < until
    )
    if client is not None:
        query = query.where(disclosures.c.client == client)
    return iter(connection.execute(query, execution_options=STREAM))


def _delivered(tenant: str, since: int, until: int) -> ColumnElement[bool]:
    """What left, and what may have left: a disclosure in doubt is one that a patient must be told of."""
    doubtful = deliveries.c.reason.startswith(DOUBT, autoescape=True) & (deliveries.c.outcome != "released")
    return (
        (deliveries.c.tenant == tenant)
        & ((deliveries.c.outcome == "delivered") | doubtful)
        & (deliveries.c.at >= since)
        & (deliveries.c.at < until)
    )


def _parts(ids: Iterable[bytes]) -> Iterator[list[bytes]]:
    wanted = sorted(set(ids))
    for first in range(0, len(wanted), PART):
        yield wanted[first : first + PART]
