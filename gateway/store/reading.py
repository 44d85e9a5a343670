"""Statements of those who read: records in the order of lists, versions, and what each page told of whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, func, select

from gateway.store.bulk import Bulk
from gateway.store.rows import STREAM, Found
from gateway.store.schema import changes, records, records_listed
from gateway.store.schema_http import disclosures

Values = Mapping[str, Any]
_add_disclosures = Bulk(disclosures.insert())
_newest = records.join(
    changes,
    (changes.c.tenant == records.c.tenant)
    & (changes.c.lane == records.c.lane)
    & (changes.c.position == records.c.position),
)
_named = (
    select(changes)
    .select_from(_newest)
    .where(records.c.tenant == bindparam("tenant"), records.c.record_id.in_(bindparam("ids", expanding=True)))
)
_range = (
    select(changes)
    .where(
        changes.c.tenant == bindparam("tenant"),
        changes.c.lane == bindparam("lane"),
        changes.c.position > bindparam("after"),
        changes.c.position <= bindparam("upto"),
    )
    .order_by(changes.c.position)
)


class Place(NamedTuple):
    """Where a list stands: the last record's patient (None while records of no patient are listed) and id."""

    patient: bytes | None
    record: bytes


class Wanted(NamedTuple):
    """Which records a list holds; what is None or empty does not matter."""

    type: str
    patient: bytes | None = None
    ids: Sequence[bytes] = ()
    source: str | None = None
    locations: Sequence[bytes] = ()
    since: int | None = None
    """Changed at this time or later, microseconds."""
    before: int | None = None
    """Changed before this time."""
    removed: bool = False
    """Those that are gone instead of those that are there."""


def listed(connection: Connection, tenant: str, wanted: Wanted, after: Place | None, most: int) -> Sequence[Found]:
    """Newest versions of the records of one type there (or gone), by patient and record, with sealed content."""
    if wanted.ids:
        return _chosen(connection, tenant, wanted, after)[:most]
    found: list[Found] = []
    if wanted.patient is None and (after is None or after.patient is None):
        found += _list(connection, tenant, wanted, _of_nobody(after), most)
        after = None
    if len(found) < most:
        found += _list(connection, tenant, wanted, _of_patients(after), most - len(found))
    return found


def counted(connection: Connection, tenant: str, wanted: Wanted) -> int:
    """How many records a list holds."""
    if wanted.ids:
        return len(_chosen(connection, tenant, wanted, None))
    by_change = bool(wanted.locations) or wanted.since is not None or wanted.before is not None
    query = (
        select(func.count())
        .select_from(_newest if by_change else records)
        .where(records.c.tenant == tenant, records.c.type == wanted.type, records.c.removed.is_(wanted.removed))
    )
    for chosen in _filters(wanted):
        query = query.where(chosen)
    return connection.execute(query).scalar_one()


def _chosen(connection: Connection, tenant: str, wanted: Wanted, after: Place | None) -> list[Found]:
    """The same of records that are named: they are had by their ids, whatever else is asked."""
    query = (
        select(changes, records.c.removed)
        .select_from(_newest)
        .where(records.c.tenant == tenant, records.c.record_id.in_(wanted.ids))
    )
    for chosen in _filters(wanted):
        query = query.where(chosen)
    rows = [row for row in connection.execute(query) if row.type == wanted.type]
    rows = [row for row in rows if bool(row.removed) is wanted.removed]
    rows.sort(key=lambda row: _order(row.patient, row.record_id))
    return [row for row in rows if after is None or _order(row.patient, row.record_id) > _order(*after)]


def _order(patient: bytes | None, record: bytes) -> tuple[bytes, bytes]:
    """Records of nobody first."""
    return bytes(patient or b""), bytes(record)


def _of_nobody(after: Place | None) -> ColumnElement[bool]:
    chosen = records.c.patient.is_(None)
    return chosen if after is None else chosen & (records.c.record_id > after.record)


def _of_patients(after: Place | None) -> ColumnElement[bool]:
    if after is None or after.patient is None:
        return records.c.patient.is_not(None)
    later = (records.c.patient == after.patient) & (records.c.record_id > after.record)
    return (records.c.patient >= after.patient) & ((records.c.patient > after.patient) | later)


def _list(
    connection: Connection, tenant: str, wanted: Wanted, place: ColumnElement[bool], most: int
) -> Sequence[Found]:
    query = (
        select(changes)
        .select_from(_newest)
        .where(records.c.tenant == tenant, records.c.type == wanted.type, records.c.removed.is_(wanted.removed), place)
        .order_by(records.c.patient, records.c.record_id)
        .limit(most)
        # SQLite takes a tenant to have ten records, and would look through all of them for one patient's
        .with_hint(records, f"INDEXED BY {records_listed.name}", "sqlite")
    )
    for chosen in _filters(wanted):
        query = query.where(chosen)
    return connection.execute(query).fetchall()


def _filters(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.patient is not None:
        yield records.c.patient == wanted.patient
    if wanted.source is not None:
        yield records.c.source == wanted.source
    if wanted.locations:
        yield changes.c.location.in_(wanted.locations)
    if wanted.since is not None:
        yield changes.c.at >= wanted.since
    if wanted.before is not None:
        yield changes.c.at < wanted.before


def newest(connection: Connection, tenant: str, ids: Sequence[bytes]) -> Sequence[Found]:
    """Newest versions of these records, removed ones too."""
    return connection.execute(_named, {"tenant": tenant, "ids": list(ids)}).fetchall()


def version(connection: Connection, tenant: str, record_id: bytes, number: int) -> Found | None:
    """One version of a record."""
    query = select(changes).where(
        changes.c.tenant == tenant,
        changes.c.record_id == record_id,
        changes.c.version == number,
        changes.c.kind != "barrier",
    )
    return connection.execute(query).one_or_none()


def span(connection: Connection, tenant: str, lane: int, after: int, upto: int) -> Sequence[Found]:
    """All changes of one stretch of a lane, with sealed content."""
    return connection.execute(_range, {"tenant": tenant, "lane": lane, "after": after, "upto": upto}).fetchall()


def disclose(connection: Connection, rows: Sequence[Values]) -> None:
    """Write what one page tells of whom."""
    _add_disclosures(connection, rows)


def disclosed(connection: Connection, tenant: str, patient: bytes | None = None) -> Iterator[Found]:
    """(page, patient, view) of everything that pages told, or of what they told of one patient."""
    query = select(disclosures.c.page, disclosures.c.patient, disclosures.c.view).where(disclosures.c.tenant == tenant)
    if patient is not None:
        query = query.where(disclosures.c.patient == patient)
    return iter(connection.execute(query, execution_options=STREAM))
