"""Retention: what opens messages is destroyed when their time is over; their rows stay, so the ledger still counts."""

from __future__ import annotations

from functools import partial

import msgspec
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.flow.clock import micros
from gateway.settings_keys import Retention
from gateway.store import holds, retention, shreds
from gateway.store.opening import Store
from gateway.vault import Keystore

DAY = 86_400 * 1_000_000
PAGE = 500


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule comes to."""

    tenant: str
    sources: tuple[str, ...]
    days: int
    messages: int
    """Messages dropped, or with a plan to be dropped (counted up to 100,000)."""


def plan(store: Store, keystore: Keystore, rules: tuple[Retention, ...]) -> list[Due]:
    """What a run would drop now."""
    return [
        _due(rule, len(store.read_sync(partial(_over, keystore=keystore, rule=rule, most=100_000)))) for rule in rules
    ]


def run(
    store: Store, keystore: Keystore, audit: AuditLog, rules: tuple[Retention, ...], actor: str
) -> list[Due]:  # fmt: skip
    """Drop what is over, a page per commit, each with its audit entry that names the messages.

    Holds are looked at in the commit itself: one that begins meanwhile keeps what has not been dropped yet.
    """
    done = []
    for rule in rules:
        count = 0
        while dropped := store.write_sync(partial(_drop, keystore=keystore, audit=audit, rule=rule, actor=actor)):
            count += dropped
        done.append(_due(rule, count))
    return done


def _over(connection: Connection, keystore: Keystore, rule: Retention, most: int) -> list[int]:
    held = holds.in_force(connection, rule.tenant)
    if any(hold.patient is None for hold in held):
        return []
    patients = [bytes(hold.patient) for hold in held]
    before = micros() - rule.days * DAY
    keys = [row.key_id for patient in patients for row in keystore.keys_of(rule.tenant, patient)]
    return retention.over(
        connection, rule.tenant, before=before, sources=rule.sources, held=patients, keys=keys, most=most
    )


def _drop(connection: Connection, keystore: Keystore, audit: AuditLog, rule: Retention, actor: str) -> int:
    ids = _over(connection, keystore, rule, PAGE)
    if ids:
        shreds.drop_messages(connection, rule.tenant, ids)
        entry = audit.entry(
            rule.tenant, action="drop", actor=actor, purpose="retention", messages=ids, outcome="dropped"
        )
        audit.append(connection, entry)
    return len(ids)


def _due(rule: Retention, count: int) -> Due:
    return Due(tenant=rule.tenant, sources=rule.sources, days=rule.days, messages=count)
