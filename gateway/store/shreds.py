"""Statements about shredded patients: what rests on them, what is taken away, and what is left to be delivered."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from sqlalchemy import CompoundSelect, Connection, delete, func, select, union, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store import aliases, bound, searching
from gateway.store.bulk import Bulk, Upsert
from gateway.store.schema import changes, deliveries, messages, outcomes, records, waiting
from gateway.store.schema_vault import patient_index, shreds, told_of

_note = Upsert(shreds, lambda new: {"at": new.at})
_add_told_of = {
    "sqlite": Bulk(sqlite.insert(told_of).on_conflict_do_nothing()),
    "postgresql": Bulk(postgresql.insert(told_of).on_conflict_do_nothing()),
}


def known(connection: Connection, tenant: str) -> set[bytes]:
    """Patients whose shredding this store has taken note of; a row that somebody else wrote destroys nobody's keys."""
    return {bytes(row.patient) for row in bound.as_written(connection, shreds, tenant)}


def note(connection: Connection, tenant: str, patient: bytes) -> None:
    """Take note of a shredding; again does not matter."""
    _note(connection, [{"tenant": tenant, "patient": patient, "at": int(time.time() * 1e6)}])


def counts(connection: Connection, tenant: str, patient: bytes) -> dict[str, int]:
    """How much there is of a patient: records, their versions, deliveries."""
    found = {}
    for name, table in (("records", records), ("changes", changes), ("deliveries", deliveries)):
        query = select(func.count()).select_from(table).where(table.c.tenant == tenant, table.c.patient == patient)
        found[name] = connection.execute(query).scalar_one()
    return found


def messages_of(connection: Connection, tenant: str, patient: bytes) -> set[int]:
    """Messages that made a change of this patient's records, or told of the patient among others."""
    return {row.message_id for row in connection.execute(_about(tenant, patient))}


def _about(tenant: str, patient: bytes) -> CompoundSelect[tuple[int]]:
    return union(
        select(changes.c.message_id).where(changes.c.tenant == tenant, changes.c.patient == patient),
        select(told_of.c.message_id).where(told_of.c.tenant == tenant, told_of.c.patient == patient),
    )


def tell_of(connection: Connection, tenant: str, told: Sequence[tuple[int, Iterable[bytes]]]) -> None:
    """Keep whom messages tell of that tell of several patients: (message, patients) each."""
    rows = [
        {"tenant": tenant, "message_id": message_id, "patient": patient}
        for message_id, patients in told
        for patient in sorted(patients)
    ]
    _add_told_of[connection.dialect.name](connection, rows)


def sharing(connection: Connection, tenant: str, patient: bytes) -> set[bytes]:
    """Everybody of whom some message tells that tells of this patient; the patient as well."""
    mine = _about(tenant, patient).subquery()
    query = union(
        *(
            select(table.c.patient).where(
                table.c.tenant == tenant, table.c.patient.is_not(None), table.c.message_id.in_(select(mine))
            )
            for table in (changes, told_of)
        )
    )
    return {bytes(row) for row in connection.execute(query).scalars()}


def unattributed(connection: Connection, tenant: str) -> int:
    """Messages in quarantine: whose they are nobody knows before they are released."""
    later = outcomes.alias("later")
    query = (
        select(func.count())
        .select_from(outcomes.join(messages, messages.c.message_id == outcomes.c.message_id))
        .where(
            outcomes.c.tenant == tenant,
            messages.c.tenant == tenant,
            outcomes.c.outcome == "quarantined",
            ~select(later.c.attempt)
            .where(
                later.c.tenant == outcomes.c.tenant,
                later.c.message_id == outcomes.c.message_id,
                later.c.attempt > outcomes.c.attempt,
            )
            .exists(),
        )
    )
    return connection.execute(query).scalar_one()


def drop_messages(connection: Connection, tenant: str, ids: Iterable[int]) -> int:
    """Take away what opens these messages and their bytes; rows and outcomes stay. How many still had bytes."""
    wanted, dropped = sorted(ids), 0
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        connection.execute(
            update(outcomes)
            .where(outcomes.c.tenant == tenant, outcomes.c.message_id.in_(some))
            .values(key_id=None, wrapped=None)
        )
        dropped += connection.execute(
            update(messages)
            .where(messages.c.tenant == tenant, messages.c.message_id.in_(some), messages.c.box.is_not(None))
            .values(box=None)
        ).rowcount
    return dropped


def forget(connection: Connection, tenant: str, patient: bytes) -> None:
    """Let a patient be found no more, and everything that waits to be delivered of them be looked at now."""
    connection.execute(
        delete(patient_index).where(patient_index.c.tenant == tenant, patient_index.c.record_id == patient)
    )
    searching.forget(connection, tenant, patient)
    aliases.forget(connection, tenant, patient)
    connection.execute(
        update(waiting)
        .where(waiting.c.tenant == tenant, waiting.c.order_key == patient, waiting.c.due_at < 2**61)
        .values(due_at=int(time.time() * 1e6))
    )
