"""Questions of the ledger: whole tables read in order, from which everything is counted again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from uuid import UUID

from sqlalchemy import Connection, LargeBinary, bindparam, case, cast, func, select, text, union

from gateway.store.deliveries import all_routes as route_names
from gateway.store.rows import STREAM, Found
from gateway.store.schema import LANES, changes, contexts, deliveries, inbox, lanes, messages, outcomes, records, texts
from gateway.store.schema_audit import NAMES_PAGES, audit_rows, audit_rows_pages
from gateway.store.schema_vault import shreds, told_of

__all__ = ["LANES", "route_names"]

_NAMES_PATIENT = {"sqlite": "instr(body, :patient) > 0", "postgresql": "position(:patient in body) > 0"}
Outcome = tuple[int, str, str, int]
"""(attempt, outcome, reason, changes)."""
Standing = tuple[bytes, bool, int, int, int]
"""(record, whether the journal says so, version, lane, position)."""


def inbox_ids(connection: Connection, tenant: str) -> set[int]:
    """Messages that wait."""
    return set(connection.execute(select(inbox.c.message_id).where(inbox.c.tenant == tenant)).scalars())


def messages_with_outcomes(connection: Connection, tenant: str) -> Iterator[tuple[int, str, list[Outcome]]]:
    """Every message with its answer and its outcomes in order."""
    query = (
        select(
            messages.c.message_id, messages.c.answer, outcomes.c.attempt, outcomes.c.outcome, outcomes.c.reason,
            outcomes.c.changes,
        )
        .outerjoin(
            outcomes, (outcomes.c.tenant == messages.c.tenant) & (outcomes.c.message_id == messages.c.message_id)
        )
        .where(messages.c.tenant == tenant)
        .order_by(messages.c.message_id, outcomes.c.attempt)
    )  # fmt: skip
    found = connection.execute(query, execution_options=STREAM)
    for (message_id, answer), rows in groupby(found, key=lambda row: (row.message_id, row.answer)):
        yield message_id, answer, [(r.attempt, r.outcome, r.reason, r.changes) for r in rows if r.attempt is not None]


def orphan_outcomes(connection: Connection, tenant: str) -> set[int]:
    """Outcomes whose message is gone."""
    query = (
        select(outcomes.c.message_id)
        .outerjoin(
            messages, (messages.c.tenant == outcomes.c.tenant) & (messages.c.message_id == outcomes.c.message_id)
        )
        .where(outcomes.c.tenant == tenant, messages.c.message_id.is_(None))
    )
    return set(connection.execute(query).scalars())


def audit_bodies(connection: Connection, tenant: str) -> Iterator[bytes]:
    """Every row of the audit log, in no particular order."""
    query = select(cast(audit_rows.c.body, LargeBinary)).where(audit_rows.c.tenant == tenant)
    for body in connection.execute(query, execution_options=STREAM).scalars():
        yield bytes(body)


def page_bodies(connection: Connection, tenant: str, patient: bytes | None = None) -> Iterator[bytes]:
    """Rows of the audit log that name pages, or of them those that name a patient too, in no particular order."""
    dialect = connection.dialect.name
    query = (
        select(cast(audit_rows.c.body, LargeBinary))
        .where(audit_rows.c.tenant == tenant, text(NAMES_PAGES[dialect]))
        .with_hint(audit_rows, f"INDEXED BY {audit_rows_pages.name}", "sqlite")
    )
    if patient is not None:
        name = str(UUID(bytes=patient)).encode()
        query = query.where(text(_NAMES_PATIENT[dialect]).bindparams(bindparam("patient", name, LargeBinary)))
    for body in connection.execute(query, execution_options=STREAM).scalars():
        yield bytes(body)


def verdicts(connection: Connection, tenant: str, reasons: Sequence[str]) -> dict[tuple[str, str], tuple[int, int]]:
    """How many delivery rows each route has by outcome, and how many of them have one of these reasons."""
    having = func.sum(case((deliveries.c.reason.in_(reasons), 1), else_=0))
    query = (
        select(deliveries.c.route, deliveries.c.outcome, func.count(), having)
        .where(deliveries.c.tenant == tenant, deliveries.c.outcome != "released")
        .group_by(deliveries.c.route, deliveries.c.outcome)
    )
    return {(route, outcome): (number, of) for route, outcome, number, of in connection.execute(query)}


def emptied_messages(connection: Connection, tenant: str, lost: str) -> Iterator[int]:
    """Messages that came with bytes and have none any more, or nothing that opens them.

    ``lost`` is the reason of outcomes that had nothing to open them from the beginning. Repeats never had bytes, and
    what is released has its key in the inbox.
    """
    first = (messages.c.tenant == tenant) & messages.c.repeat_of.is_(None)
    query = union(
        select(messages.c.message_id).where(first, messages.c.box.is_(None)),
        select(messages.c.message_id)
        .join(outcomes, (outcomes.c.tenant == messages.c.tenant) & (outcomes.c.message_id == messages.c.message_id))
        .where(first, outcomes.c.wrapped.is_(None), outcomes.c.outcome != "released", outcomes.c.reason != lost),
    )
    yield from connection.execute(query, execution_options=STREAM).scalars()


def messages_of_shredded(connection: Connection, tenant: str) -> Iterator[int]:
    """Messages that changed or told of patients who were shredded."""
    gone = select(shreds.c.patient).where(shreds.c.tenant == tenant)
    query = union(
        *(
            select(table.c.message_id).where(table.c.tenant == tenant, table.c.patient.in_(gone))
            for table in (changes, told_of)
        )
    )
    yield from connection.execute(query, execution_options=STREAM).scalars()


def emptied_versions(connection: Connection, tenant: str) -> Iterator[tuple[bytes, int]]:
    """(record, version) of changes that have no content any more, or nothing that opens it; barriers never had any."""
    query = select(changes.c.record_id, changes.c.version).where(
        changes.c.tenant == tenant, changes.c.kind != "barrier", changes.c.wrapped.is_(None) | changes.c.box.is_(None)
    )
    for row in connection.execute(query, execution_options=STREAM):
        yield bytes(row.record_id), row.version


def missing_contexts(connection: Connection, tenant: str) -> set[int]:
    """Envelopes that messages refer to and that are gone."""
    query = (
        select(messages.c.context_id)
        .outerjoin(
            contexts, (contexts.c.tenant == messages.c.tenant) & (contexts.c.context_id == messages.c.context_id)
        )
        .where(messages.c.tenant == tenant, messages.c.context_id.is_not(None), contexts.c.context_id.is_(None))
    )
    return set(connection.execute(query).scalars())


def missing_mappings(connection: Connection, tenant: str) -> set[bytes]:
    """Mapping texts that changes were made by and that are gone."""
    query = (
        select(changes.c.mapping)
        .outerjoin(texts, texts.c.hash == changes.c.mapping)
        .where(changes.c.tenant == tenant, changes.c.mapping.is_not(None), texts.c.hash.is_(None))
        .distinct()
    )
    return {bytes(lost) for lost in connection.execute(query).scalars()}


def text_hashes(connection: Connection) -> set[bytes]:
    """Hashes of all texts that are kept."""
    return {bytes(kept) for kept in connection.execute(select(texts.c.hash)).scalars()}


def refused(connection: Connection, tenant: str) -> int:
    """How many frames were refused with AE or AR; they are evidence, not accepted messages."""
    query = select(func.count()).select_from(messages).where(messages.c.tenant == tenant, messages.c.answer != "AA")
    return connection.execute(query).scalar_one()


def messages_of_changes(connection: Connection, tenant: str) -> Iterator[int]:
    """The message that made each change, barriers left out, in no particular order."""
    query = select(changes.c.message_id).where(changes.c.tenant == tenant, changes.c.kind != "barrier")
    yield from connection.execute(query, execution_options=STREAM).scalars()


def change_count(connection: Connection, tenant: str) -> int:
    """How many changes the journal holds, barriers left out."""
    query = select(func.count()).select_from(changes).where(changes.c.tenant == tenant, changes.c.kind != "barrier")
    return connection.execute(query).scalar_one()


def lane_heads(connection: Connection, tenant: str) -> dict[int, int]:
    """Head positions of all lanes."""
    query = select(lanes.c.lane, lanes.c.head).where(lanes.c.tenant == tenant)
    return {row.lane: row.head for row in connection.execute(query)}


def positions(connection: Connection, tenant: str) -> Iterator[tuple[int, int]]:
    """(lane, position) of every journal row, in order."""
    query = (
        select(changes.c.lane, changes.c.position)
        .where(changes.c.tenant == tenant)
        .order_by(changes.c.lane, changes.c.position)
    )
    for row in connection.execute(query, execution_options=STREAM):
        yield row.lane, row.position


def lone_barriers(connection: Connection, tenant: str) -> list[tuple[int, int]]:
    """Barriers whose twin is gone."""
    twin = changes.alias("twin")
    query = (
        select(changes.c.lane, changes.c.position)
        .outerjoin(
            twin,
            (twin.c.tenant == changes.c.tenant)
            & (twin.c.lane == changes.c.partner_lane)
            & (twin.c.position == changes.c.partner_position)
            & (twin.c.kind == "barrier"),
        )
        .where(changes.c.tenant == tenant, changes.c.kind == "barrier", twin.c.lane.is_(None))
    )
    return [(row.lane, row.position) for row in connection.execute(query)]


def record_heads(connection: Connection, tenant: str) -> Iterator[Standing]:
    """Where each record says it stands, by record."""
    query = select(records.c.record_id, records.c.version, records.c.lane, records.c.position)
    rows = connection.execute(
        query.where(records.c.tenant == tenant).order_by(records.c.record_id), execution_options=STREAM
    )
    for row in rows:
        yield bytes(row.record_id), False, row.version, row.lane, row.position


def record_changes(connection: Connection, tenant: str) -> Iterator[Standing]:
    """Every change of a record, by record, versions in order."""
    query = (
        select(changes.c.record_id, changes.c.version, changes.c.lane, changes.c.position)
        .where(changes.c.tenant == tenant, changes.c.kind != "barrier")
        .order_by(changes.c.record_id, changes.c.version)
    )
    for row in connection.execute(query, execution_options=STREAM):
        yield bytes(row.record_id), True, row.version, row.lane, row.position


def changes_for_routes(connection: Connection, tenant: str, lane: int | None = None) -> Iterator[Found]:
    """What a route's filter looks at, of every journal row, or of those of one lane."""
    query = (
        select(
            changes.c.lane, changes.c.position, changes.c.kind, changes.c.type, changes.c.source, changes.c.location,
            changes.c.left_location, changes.c.record_id, changes.c.patient, changes.c.partner_position,
        )
        .where(changes.c.tenant == tenant)
        .order_by(changes.c.lane, changes.c.position)
    )  # fmt: skip
    if lane is not None:
        query = query.where(changes.c.lane == lane)
    yield from connection.execute(query, execution_options=STREAM)
