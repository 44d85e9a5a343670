"""Retention: what opens a thing is destroyed when its time is over; its rows stay, so ledger and audit log still count.

Three classes, each by rules of its own. Messages as received; versions of records that a newer one has replaced; and
whole patients of whom nothing was heard for years, who are shredded: their keys are destroyed, in backups too. A hold
keeps what it covers from all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import msgspec
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import micros
from gateway.flow.places import change_row
from gateway.flow.shred import Shredder
from gateway.settings_keys import Retention
from gateway.store import holds, retention, shreds
from gateway.store.opening import Store
from gateway.store.rows import Found
from gateway.vault import Keystore

DAY = 86_400 * 1_000_000
PAGE = 500
MOST_COUNTED = 100_000


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule comes to."""

    tenant: str
    of: str
    sources: tuple[str, ...]
    records: tuple[str, ...]
    days: int
    count: int
    """Messages, versions or patients dropped, or with a plan to be dropped (counted up to 100,000)."""


class Retainer:
    """Drops what is over, a page per commit, each with its audit entry that names what was dropped.

    Holds are looked at in the commit itself: one that begins meanwhile keeps what has not been dropped yet.
    """

    def __init__(self, store: Store, keystore: Keystore, audit: AuditLog, shredder: Shredder) -> None:
        self._store = store
        self._keystore = keystore
        self._audit = audit
        self._shredder = shredder

    def plan(self, rules: Sequence[Retention]) -> list[Due]:
        """What a run would drop now; nothing is changed."""
        return [_due(rule, self._store.read_sync(partial(self._count, rule=rule))) for rule in rules]

    def run(self, rules: Sequence[Retention], actor: str) -> list[Due]:
        """Drop what is over now."""
        return [_due(rule, self._run(rule, actor)) for rule in rules]

    def _count(self, connection: Connection, rule: Retention) -> int:
        match rule.of:
            case "messages":
                return len(self._messages(connection, rule, MOST_COUNTED))
            case "versions":
                return len(_versions(connection, rule, retention.START, MOST_COUNTED)[0])
            case "patients":
                return len(_patients(connection, rule, MOST_COUNTED))

    def _run(self, rule: Retention, actor: str) -> int:
        count = 0
        match rule.of:
            case "messages":
                while dropped := self._store.write_sync(partial(self._drop_messages, rule=rule, actor=actor)):
                    count += dropped
            case "versions":
                after: retention.Place | None = retention.START
                while after is not None:
                    drop = partial(self._drop_versions, rule=rule, actor=actor, after=after)
                    dropped, after = self._store.write_sync(drop)
                    count += dropped
            case "patients":
                count = self._shred(rule, actor)
        return count

    def _messages(self, connection: Connection, rule: Retention, most: int) -> list[int]:
        held = _held(connection, rule)
        if held is None:
            return []
        keys = [row.key_id for patient in held for row in self._keystore.keys_of(rule.tenant, patient)]
        return retention.over(
            connection, rule.tenant, before=_before(rule), sources=rule.sources, held=held, keys=keys, most=most
        )

    def _drop_messages(self, connection: Connection, rule: Retention, actor: str) -> int:
        ids = self._messages(connection, rule, PAGE)
        if ids:
            shreds.drop_messages(connection, rule.tenant, ids)
            entry = self._audit.entry(
                rule.tenant, action="drop", actor=actor, purpose="retention", messages=ids, outcome="dropped"
            )
            self._audit.append(connection, entry)
        return len(ids)

    def _drop_versions(
        self, connection: Connection, rule: Retention, actor: str, after: retention.Place
    ) -> tuple[int, retention.Place | None]:
        rows, further = _versions(connection, rule, after, PAGE)
        if rows:
            retention.drop_versions(connection, rule.tenant, [(row.lane, row.position) for row in rows])
            entry = self._audit.entry(
                rule.tenant, action="drop", actor=actor, purpose="retention", outcome="dropped",
                changes=[change_row(row.record_id, row.version) for row in rows],
            )  # fmt: skip
            self._audit.append(connection, entry)
        return len(rows), further

    def _shred(self, rule: Retention, actor: str) -> int:
        """Shred whoever is over, one after the other; each is looked at again in the commit that begins it."""
        count = 0
        for patient in self._store.read_sync(partial(_patients, rule=rule, most=MOST_COUNTED)):
            with suppress(InvalidConfiguration):  # a hold or news of the patient came meanwhile
                self._shredder.shred(rule.tenant, patient, "retention", actor, silent_since=_before(rule))
                count += 1
        return count


def _versions(
    connection: Connection, rule: Retention, after: retention.Place, most: int
) -> tuple[Sequence[Found], retention.Place | None]:
    held = _held(connection, rule)
    if held is None:
        return [], None
    return retention.replaced(
        connection, rule.tenant, before=_before(rule), sources=rule.sources, types=rule.records, held=held, after=after,
        most=most,
    )  # fmt: skip


def _patients(connection: Connection, rule: Retention, most: int) -> list[bytes]:
    held = holds.in_force(connection, rule.tenant)
    if any(hold.patient is None for hold in held):
        return []
    kept = {bytes(hold.patient) for hold in held}
    found = retention.silent(connection, rule.tenant, _before(rule), most)
    return [
        patient
        for patient in found
        if not kept or not kept & (shreds.sharing(connection, rule.tenant, patient) | {patient})
    ]


def _held(connection: Connection, rule: Retention) -> list[bytes] | None:
    """Patients on hold; None when a hold keeps everybody's."""
    held = holds.in_force(connection, rule.tenant)
    return None if any(hold.patient is None for hold in held) else [bytes(hold.patient) for hold in held]


def _before(rule: Retention) -> int:
    return micros() - rule.days * DAY


def _due(rule: Retention, count: int) -> Due:
    return Due(tenant=rule.tenant, of=rule.of, sources=rule.sources, records=rule.records, days=rule.days, count=count)
