"""Statements about the search index: reading the journal on, keeping digests, and finding records by them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, delete, exists, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.bulk import Bulk, portions
from gateway.store.rows import Found
from gateway.store.schema import LANES, lanes, records
from gateway.store.schema_search import search_cursors, search_days, search_indexes, search_keys, search_records
from gateway.store.schema_vault import shreds

Values = Mapping[str, Any]
BLIND = 16
"""Bytes of one digest."""
_drop_keys = Bulk(
    delete(search_keys).where(
        search_keys.c.tenant == bindparam("b_tenant"),
        search_keys.c.blind == bindparam("b_blind"),
        search_keys.c.record_id == bindparam("b_record"),
    )
)
_drop_records = Bulk(
    delete(search_records).where(
        search_records.c.tenant == bindparam("b_tenant"), search_records.c.record_id == bindparam("b_record")
    )
)
_add_keys, _add_records = Bulk(search_keys.insert()), Bulk(search_records.insert())
_keyed = (
    select(search_keys.c.record_id)
    .where(
        search_keys.c.tenant == bindparam("tenant"),
        search_keys.c.blind == bindparam("blind"),
        search_keys.c.record_id > bindparam("after"),
    )
    .order_by(search_keys.c.record_id)
    .limit(bindparam("most"))
)

_there = select(search_days.c.blind).where(
    search_days.c.tenant == bindparam("tenant"), search_days.c.blind.in_(bindparam("blinds", expanding=True))
)
_standing = select(
    search_indexes.c.edition,
    (
        select(func.coalesce(func.sum(lanes.c.head), 0)).where(lanes.c.tenant == bindparam("tenant")).scalar_subquery()
        - select(func.coalesce(func.sum(search_cursors.c.position), 0))
        .where(search_cursors.c.tenant == bindparam("tenant"))
        .scalar_subquery()
    ).label("lag"),
).where(search_indexes.c.tenant == bindparam("tenant"))


class Kept(NamedTuple):
    """What the index knows of one record from now on; no digests and no time when the record is gone."""

    record_id: bytes
    type: str
    at: int | None
    blinds: frozenset[bytes]


def edition(connection: Connection, tenant: str) -> str | None:
    """What the index holds; None before it was begun."""
    query = select(search_indexes.c.edition).where(search_indexes.c.tenant == tenant)
    return connection.execute(query).scalar_one_or_none()


def standing(connection: Connection, tenant: str) -> Found | None:
    """What the index holds, and how many changes it has not read: (edition, lag); None before it was begun."""
    return connection.execute(_standing, {"tenant": tenant}).one_or_none()


def edition_of(types: Iterable[str], form: int) -> str:
    """How an index of these record types, whose digests have this form, is written down."""
    return json.dumps({"types": sorted(types), "form": form})


def types_of(text: str) -> list[str]:
    """The record types of an edition."""
    types: list[str] = json.loads(text)["types"]
    return types


def begin(connection: Connection, tenant: str, text: str) -> None:
    """Begin a tenant's index anew at the journal's start, unless it is of this edition already."""
    if edition(connection, tenant) == text:
        return
    for table in (search_indexes, search_cursors, search_keys, search_records, search_days):
        connection.execute(delete(table).where(table.c.tenant == tenant))
    connection.execute(search_indexes.insert().values(tenant=tenant, edition=text))
    connection.execute(
        search_cursors.insert(), [{"tenant": tenant, "lane": lane, "position": 0} for lane in range(LANES)]
    )


def cursors(connection: Connection, tenant: str) -> dict[int, int]:
    """The last position read, by lane."""
    query = select(search_cursors.c.lane, search_cursors.c.position).where(search_cursors.c.tenant == tenant)
    return {row.lane: row.position for row in connection.execute(query)}


def held(connection: Connection, tenant: str, ids: Iterable[bytes]) -> dict[bytes, frozenset[bytes]]:
    """The digests by which each of these records is found now."""
    query = select(search_records.c.record_id, search_records.c.blinds).where(search_records.c.tenant == tenant)
    return {
        bytes(row.record_id): _cut(bytes(row.blinds))
        for some in portions(ids)
        for row in connection.execute(query.where(search_records.c.record_id.in_(some)))
    }


def keep(
    connection: Connection, tenant: str, kept: Sequence[Kept], before: Mapping[bytes, frozenset[bytes]],
    days: Iterable[bytes],
) -> None:  # fmt: skip
    """Write what these records are found by from now on, in the place of ``before``, and the days there are.

    Nothing of a patient who was shredded since the records were opened.
    """
    mine = {"b_tenant": tenant}
    none: frozenset[bytes] = frozenset()
    gone_since = _shredded(connection, tenant, [one.record_id for one in kept])
    kept = [one._replace(at=None, blinds=none) if one.record_id in gone_since else one for one in kept]
    gone = [
        mine | {"b_blind": blind, "b_record": one.record_id}
        for one in kept
        for blind in sorted(before.get(one.record_id, none) - one.blinds)
    ]
    new = [
        {"tenant": tenant, "blind": blind, "record_id": one.record_id}
        for one in kept
        for blind in one.blinds - before.get(one.record_id, none)
    ]
    _drop_keys(connection, gone)
    _add_keys(connection, sorted(new, key=lambda row: (row["blind"], row["record_id"])))
    _drop_records(connection, [mine | {"b_record": one.record_id} for one in kept if one.record_id in before])
    _add_records(
        connection,
        [
            {
                "tenant": tenant, "record_id": one.record_id, "type": one.type, "at": one.at,
                "blinds": b"".join(sorted(one.blinds)),
            }
            for one in sorted(kept)
            if one.at is not None
        ],
    )  # fmt: skip
    if found := [{"tenant": tenant, "blind": blind} for blind in sorted(days)]:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(insert(search_days).on_conflict_do_nothing(), found)


def move_cursors(connection: Connection, tenant: str, before: Mapping[int, int], moved: Mapping[int, int]) -> bool:
    """Advance the index; False when another process did so meanwhile."""
    for lane, position in sorted(moved.items()):
        done = connection.execute(
            update(search_cursors)
            .where(
                search_cursors.c.tenant == tenant,
                search_cursors.c.lane == lane,
                search_cursors.c.position == before[lane],
            )
            .values(position=position)
        )
        if done.rowcount != 1:
            return False
    return True


def there(connection: Connection, tenant: str, blinds: Iterable[bytes]) -> set[bytes]:
    """Which of these days, months and years some record is on."""
    return {
        bytes(blind)
        for some in portions(blinds)
        for blind in connection.execute(_there, {"tenant": tenant, "blinds": some}).scalars()
    }


def keyed(connection: Connection, tenant: str, blind: bytes, after: bytes, most: int) -> list[bytes]:
    """The next records with this digest, by id."""
    asked = {"tenant": tenant, "blind": blind, "after": after, "most": most}
    return [bytes(record) for record in connection.execute(_keyed, asked).scalars()]


class Probed(NamedTuple):
    """What one look at a digest's records gave."""

    ids: Sequence[bytes]
    """Those that have a digest of each further list, by id."""
    looked_at: int
    """How many were looked at."""
    last: bytes
    """The last of them."""


def probed(
    connection: Connection, tenant: str, blind: bytes, after: bytes, most: int, also: Sequence[Sequence[bytes]]
) -> Probed:
    """The next records with this digest that have one of each further list of digests.

    The database compares: each row it gives costs the embedded one a wait for the interpreter, and most match nothing.
    """
    if not also:
        ids = keyed(connection, tenant, blind, after, most)
        return Probed(ids, len(ids), ids[-1] if ids else after)
    asked = {"tenant": tenant, "blind": blind, "after": after, "most": most}
    counted, matching = _probing(len(also))
    looked_at, last = connection.execute(counted, asked).one()
    if not looked_at:
        return Probed((), 0, after)
    lists = {f"also_{number}": list(blinds) for number, blinds in enumerate(also)}
    ids = [bytes(record) for record in connection.execute(matching, asked | lists).scalars()]
    return Probed(ids, looked_at, bytes(last))


def together(
    connection: Connection, tenant: str, blinds: Sequence[bytes], most: int, also: Sequence[Sequence[bytes]]
) -> tuple[int, Sequence[tuple[bytes, bytes]]]:
    """How many records have one of these digests, counted up to ``most`` + 1, and (digest, id) of those that match.

    They match with a digest of each further list. When there are more than ``most``, none is looked at.
    """
    of_them = search_keys.c.tenant == tenant, search_keys.c.blind.in_(blinds)
    counted = select(search_keys.c.record_id).where(*of_them).limit(most + 1).subquery()
    count = connection.execute(select(func.count()).select_from(counted)).scalar_one()
    if not 0 < count <= most:
        return count, ()
    query = select(search_keys.c.blind, search_keys.c.record_id).where(*of_them)
    for some in also:
        other = search_keys.alias()
        query = query.where(
            exists().where(
                other.c.tenant == tenant, other.c.blind.in_(some), other.c.record_id == search_keys.c.record_id
            )
        )
    return count, [(bytes(row.blind), bytes(row.record_id)) for row in connection.execute(query)]


@cache
def _probing(lists: int) -> tuple[Select[*tuple[Any, ...]], Select[*tuple[Any, ...]]]:
    """How many records are looked at and which is the last; and those of them that are in so many lists."""
    looked = _keyed.subquery()
    matching = select(looked.c.record_id).order_by(looked.c.record_id)
    for number in range(lists):
        other = search_keys.alias()
        matching = matching.where(
            exists().where(
                other.c.tenant == bindparam("tenant"),
                other.c.blind.in_(bindparam(f"also_{number}", expanding=True)),
                other.c.record_id == looked.c.record_id,
            )
        )
    return select(func.count(), func.max(looked.c.record_id)), matching


Changed = tuple[int, bytes]
"""When a record changed, and its id."""


class Passed(NamedTuple):
    """What one look along the times of change gave."""

    found: Sequence[Changed]
    """Those that have a digest of each further list, in the order of the look."""
    last: Changed | None
    """The last that was looked at; None when there are no more."""


def changed(
    connection: Connection, tenant: str, type: str, window: tuple[int | None, int | None], after: Changed | None,
    most: int, *, newest_first: bool = False, also: Sequence[Sequence[bytes]] = (),
) -> Passed:  # fmt: skip
    """The next records of a type that changed in a window, by time, of which the database compares the digests."""
    at, record = search_records.c.at, search_records.c.record_id
    query = select(at, record).where(*_window(tenant, type, window))
    if after is not None:
        here, place = tuple_(at, record), tuple_(*after)
        query = query.where(at <= after[0], here < place) if newest_first else query.where(at >= after[0], here > place)
    query = query.order_by(*_along(at, record, first=newest_first))
    looked = query.limit(most).subquery()
    matching = select(looked.c.at, looked.c.record_id).order_by(
        *_along(looked.c.at, looked.c.record_id, first=newest_first)
    )
    for blinds in also:
        other = search_keys.alias()
        matching = matching.where(
            exists().where(other.c.tenant == tenant, other.c.blind.in_(blinds), other.c.record_id == looked.c.record_id)
        )
    found = [(row.at, bytes(row.record_id)) for row in connection.execute(matching)]
    if not also:
        return Passed(found, found[-1] if len(found) == most else None)
    last = connection.execute(query.offset(most - 1).limit(1)).one_or_none()
    return Passed(found, None if last is None else (last.at, bytes(last.record_id)))


def _along(at: ColumnElement[int], record: ColumnElement[bytes], *, first: bool) -> tuple[ColumnElement[Any], ...]:
    """The order by time, from the newest ``first`` or from the oldest."""
    return (at.desc(), record.desc()) if first else (at, record)


def counted_keys(connection: Connection, tenant: str, blinds: Sequence[bytes]) -> int:
    """How many records have one of these digests, each counted for every one it has."""
    query = select(func.count()).where(search_keys.c.tenant == tenant, search_keys.c.blind.in_(blinds))
    return connection.execute(query).scalar_one()


def counted(connection: Connection, tenant: str, type: str, window: tuple[int | None, int | None]) -> int:
    """How many records of a type changed in a window, of those that the index holds."""
    query = select(func.count()).select_from(search_records).where(*_window(tenant, type, window))
    return connection.execute(query).scalar_one()


def _window(tenant: str, type: str, window: tuple[int | None, int | None]) -> list[ColumnElement[bool]]:
    since, before = window
    chosen = [search_records.c.tenant == tenant, search_records.c.type == type]
    chosen += [] if since is None else [search_records.c.at >= since]
    return chosen if before is None else [*chosen, search_records.c.at < before]


def forget(connection: Connection, tenant: str, patient: bytes) -> None:
    """Let no record of a patient be found any more."""
    text = edition(connection, tenant)
    types = [] if text is None else types_of(text)
    query = select(records.c.record_id).where(
        records.c.tenant == tenant, records.c.type.in_(types), records.c.patient == patient
    )
    ids = [bytes(record) for record in connection.execute(query).scalars()]
    known = held(connection, tenant, ids)
    keep(connection, tenant, [Kept(record, "", None, frozenset()) for record in known], known, ())


def _shredded(connection: Connection, tenant: str, ids: Iterable[bytes]) -> set[bytes]:
    """Which of these records are of patients who were shredded."""
    query = (
        select(records.c.record_id)
        .join(shreds, and_(shreds.c.tenant == records.c.tenant, shreds.c.patient == records.c.patient))
        .where(records.c.tenant == tenant)
    )
    return {
        bytes(record)
        for some in portions(ids)
        for record in connection.execute(query.where(records.c.record_id.in_(some))).scalars()
    }


def _cut(blinds: bytes) -> frozenset[bytes]:
    return frozenset(blinds[at : at + BLIND] for at in range(0, len(blinds), BLIND))
