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

DAY = 86_400 * 1_000_000
PAGE = 500


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule comes to."""

    tenant: str
    sources: tuple[str, ...]
    days: int
    messages: int
    """Messages dropped, or with a plan to be dropped (counted up to 100,000)."""


def plan(store: Store, rules: tuple[Retention, ...]) -> list[Due]:
    """What a run would drop now."""
    return [_due(rule, len(_over(store, rule, 100_000))) for rule in rules]


def run(store: Store, audit: AuditLog, rules: tuple[Retention, ...], actor: str) -> list[Due]:
    """Drop what is over, a page per commit, each with its audit entry that names the messages."""
    done = []
    for rule in rules:
        count = 0
        while ids := _over(store, rule, PAGE):
            store.write_sync(partial(_drop, audit=audit, tenant=rule.tenant, ids=ids, actor=actor))
            count += len(ids)
        done.append(_due(rule, count))
    return done


def _over(store: Store, rule: Retention, most: int) -> list[int]:
    held = store.read_sync(partial(holds.in_force, tenant=rule.tenant))
    if any(hold.patient is None for hold in held):
        return []
    patients = [bytes(hold.patient) for hold in held]
    before = micros() - rule.days * DAY
    query = partial(
        retention.over, tenant=rule.tenant, before=before, sources=rule.sources, held=patients, most=most
    )  # fmt: skip
    return store.read_sync(query)


def _drop(connection: Connection, audit: AuditLog, tenant: str, ids: list[int], actor: str) -> None:
    shreds.drop_messages(connection, tenant, ids)
    entry = audit.entry(tenant, action="drop", actor=actor, purpose="retention", messages=ids, outcome="dropped")
    audit.append(connection, entry)


def _due(rule: Retention, count: int) -> Due:
    return Due(tenant=rule.tenant, sources=rule.sources, days=rule.days, messages=count)
