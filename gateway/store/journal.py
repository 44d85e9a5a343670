"""Statements about records and the journal of their changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, bindparam, func, literal_column, select, tuple_, union_all
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.bulk import Among, Bulk, Prepared, Upsert
from gateway.store.rows import Found
from gateway.store.schema import LANES, changes, lanes, messages, records, records_listed, texts

Values = Mapping[str, Any]

_heads = Among(lambda ids: select(records).where(records.c.tenant == bindparam("tenant"), records.c.record_id.in_(ids)))
_versions = Among(
    lambda ids: (
        select(records.c.record_id, records.c.version)
        .where(records.c.tenant == bindparam("tenant"), records.c.record_id.in_(ids))
        .order_by(records.c.record_id)
        .with_for_update()
    )
)
_boxes = Among(
    lambda places: select(changes).where(
        changes.c.tenant == bindparam("tenant"), tuple_(changes.c.lane, changes.c.position).in_(places)
    )
)
_add_changes, _add_records, _add_texts = (Bulk(table.insert()) for table in (changes, records, texts))
_move_record = Upsert(
    records,
    lambda new: {
        name: new[name] for name in ("version", "content", "source_version", "patient", "lane", "position", "removed")
    },
)
_move_lane = Upsert(lanes, lambda new: {"head": new.head})
_lock_lanes = Among(
    lambda wanted: (
        select(lanes.c.lane, lanes.c.head)
        .where(lanes.c.tenant == bindparam("tenant"), lanes.c.lane.in_(wanted))
        .order_by(lanes.c.lane)
        .with_for_update()
    )
)
_every_head = Prepared(select(lanes.c.lane, lanes.c.head).where(lanes.c.tenant == bindparam("tenant")))
_without_content = select(
    changes.c.lane,
    changes.c.position,
    changes.c.kind,
    changes.c.record_id,
    changes.c.type,
    changes.c.source,
    changes.c.patient,
    changes.c.location,
    changes.c.left_location,
    changes.c.partner_lane,
    changes.c.partner_position,
)
_after = (
    _without_content.where(
        changes.c.tenant == bindparam("tenant"),
        changes.c.lane == bindparam("lane"),
        changes.c.position > bindparam("position"),
    )
    .order_by(changes.c.position)
    .limit(bindparam("most"))
)
_spans = union_all(
    *(
        select(
            literal_column(str(lane)).label("lane"),
            bindparam(f"low{lane}", type_=BigInteger).label("low"),
            bindparam(f"high{lane}", type_=BigInteger).label("high"),
        )
        for lane in range(LANES)
    )
).subquery("spans")
_between = Prepared(
    _without_content.join_from(
        _spans,
        changes,
        and_(
            changes.c.tenant == bindparam("tenant"),
            changes.c.lane == _spans.c.lane,
            changes.c.position > _spans.c.low,
            changes.c.position <= _spans.c.high,
        ),
    ).order_by(_spans.c.lane, changes.c.position)  # by the span: SQLite reads the whole journal to order by its column
)


def ensure_lanes(connection: Connection, tenant: str) -> None:
    """Make the head rows of a tenant's lanes where they are missing."""
    found = connection.execute(select(func.count()).select_from(lanes).where(lanes.c.tenant == tenant)).scalar_one()
    if found < LANES:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        rows = [{"tenant": tenant, "lane": lane, "head": 0} for lane in range(LANES)]
        connection.execute(insert(lanes).on_conflict_do_nothing(), rows)


def lock_heads(connection: Connection, tenant: str, wanted: Iterable[int]) -> dict[int, int]:
    """Head positions of these lanes, locked in lane order until the transaction ends."""
    return dict(_lock_lanes(connection, {"tenant": tenant}, sorted(wanted)))


def heads(connection: Connection, tenant: str) -> dict[int, int]:
    """Head positions of all lanes, as one snapshot."""
    return {row.lane: row.head for row in _every_head(connection, {"tenant": tenant})}


def append(connection: Connection, tenant: str, rows: Sequence[Values], moved: Mapping[int, int]) -> None:
    """Append changes, which carry their positions, and move the heads of their lanes."""
    _add_changes(connection, rows)
    _move_lane(connection, [{"tenant": tenant, "lane": lane, "head": head} for lane, head in sorted(moved.items())])


def record_heads(connection: Connection, tenant: str, ids: Iterable[bytes]) -> dict[bytes, Found]:
    """The current version of each record that exists."""
    return {row.record_id: row for row in _heads(connection, {"tenant": tenant}, ids)}


def made_of(connection: Connection, tenant: str, ids: Iterable[bytes]) -> dict[bytes, Found]:
    """Of each record that exists: its version, and the digest of the message that made it, None when that is gone."""
    at = (changes.c.tenant == records.c.tenant, changes.c.lane == records.c.lane)
    query = (
        select(records.c.record_id, records.c.version, messages.c.digest)
        .join(changes, and_(*at, changes.c.position == records.c.position))
        .outerjoin(messages, and_(messages.c.tenant == changes.c.tenant, messages.c.message_id == changes.c.message_id))
        .where(records.c.tenant == tenant, records.c.record_id.in_(list(ids)))
    )
    return {row.record_id: row for row in connection.execute(query)}


def alive(connection: Connection, tenant: str, source: str, type: str) -> dict[bytes, str]:
    """Source version of every record of one type of one source that is not removed."""
    query = select(records.c.record_id, records.c.source_version).where(
        records.c.tenant == tenant, records.c.type == type, records.c.source == source, records.c.removed.is_(False)
    )
    return {row.record_id: row.source_version for row in connection.execute(query)}


def record_versions(connection: Connection, tenant: str, ids: Iterable[bytes]) -> dict[bytes, int]:
    """Only the version numbers, locked, to see whether another writer was faster."""
    return dict(_versions(connection, {"tenant": tenant}, sorted(ids)))


def put_records(connection: Connection, new: Sequence[Values], moved: Sequence[Values]) -> None:
    """Insert records that are new and move those that have a new version."""
    _add_records(connection, new)
    _move_record(connection, moved)


def at_places(connection: Connection, tenant: str, places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Found]:
    """Changes by (lane, position), with their sealed content."""
    rows = _boxes(connection, {"tenant": tenant}, map(tuple, places))
    return {(row.lane, row.position): row for row in rows}


def after(connection: Connection, tenant: str, lane: int, position: int, most: int) -> Sequence[Found]:
    """The next changes of one lane, without their content."""
    return connection.execute(_after, {"tenant": tenant, "lane": lane, "position": position, "most": most}).fetchall()


def between(connection: Connection, tenant: str, spans: Mapping[int, tuple[int, int]]) -> dict[int, list[Found]]:
    """By lane, its changes behind the first position up to the last, in order and without their content."""
    parameters: dict[str, Any] = {"tenant": tenant}
    for lane in range(LANES):
        parameters[f"low{lane}"], parameters[f"high{lane}"] = spans.get(lane, (0, 0))
    found: dict[int, list[Found]] = {lane: [] for lane in spans}
    for row in _between(connection, parameters):
        found[row.lane].append(row)
    return found


def history(connection: Connection, tenant: str, record_id: bytes) -> Sequence[Found]:
    """All changes of one record, first to last."""
    query = (
        select(changes)
        .where(changes.c.tenant == tenant, changes.c.record_id == record_id, changes.c.kind != "barrier")
        .order_by(changes.c.version)
    )
    return connection.execute(query).fetchall()


def versions(
    connection: Connection, tenant: str, wanted: Iterable[tuple[bytes, int]]
) -> dict[tuple[bytes, int], Found]:
    """These versions of records, by record and version, with their sealed content."""
    query = select(changes).where(
        changes.c.tenant == tenant, changes.c.kind != "barrier",
        tuple_(changes.c.record_id, changes.c.version).in_(list(wanted)),
    )  # fmt: skip
    return {(bytes(row.record_id), row.version): row for row in connection.execute(query)}


def recent_records(
    connection: Connection, tenant: str, record_type: str | None, patient: bytes | None, limit: int | None
) -> Sequence[Found]:
    """Current records, removed ones too, in the order of lists: by type, and in one type patient by patient.

    Optionally of one type or patient; all of them when there is no limit.
    """
    query = select(records).where(records.c.tenant == tenant)
    if record_type is not None:
        query = query.where(records.c.type == record_type)
    elif patient is not None:  # the index leads to a patient through a type
        query = query.where(records.c.type.in_(_types_there(connection, tenant)))
    if patient is not None:
        query = query.where(records.c.patient == patient)
    # in the index's own order, so that fifty of a million records are fifty rows read and nothing is sorted
    query = query.order_by(records.c.type, records.c.patient, records.c.record_id).limit(limit)
    query = query.with_hint(records, f"INDEXED BY {records_listed.name}", "sqlite")
    return connection.execute(query).fetchall()


def _types_there(connection: Connection, tenant: str) -> list[str]:
    """Record types that a tenant has records of, each found by one look behind the one before."""
    found = [""]
    query = select(func.min(records.c.type)).where(
        records.c.tenant == tenant, records.c.type > bindparam("type", type_=records.c.type.type)
    )
    while (type := connection.execute(query, {"type": found[-1]}).scalar_one()) is not None:
        found.append(type)
    return found[1:]


def keep_text(connection: Connection, digest: bytes, kind: str, body: str) -> bool:
    """Keep a mapping or view by its hash; False when it is kept already."""
    if connection.execute(select(texts.c.hash).where(texts.c.hash == digest)).scalar_one_or_none() is not None:
        return False
    _add_texts(connection, [{"hash": digest, "kind": kind, "body": body}])
    return True


def text_of(connection: Connection, digest: bytes) -> str | None:
    """A kept text."""
    return connection.execute(select(texts.c.body).where(texts.c.hash == digest)).scalar_one_or_none()
