"""Disclosed: what left the gateway, of one patient or by one door, with date, recipient, what and purpose.

What a route sent is told by its delivery rows, what a client fetched by the disclosure rows of its pages. Both are read
here side by side, so that no list and no count forgets one of them.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from gateway.flow.clock import iso
from gateway.flow.inside import MOST_NAME
from gateway.store import journal, reviewing
from gateway.store.rows import Found


class Disclosure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the accounting of disclosures (45 CFR 164.528)."""

    at: str
    recipient: str
    purpose: str
    route: str
    """The route that sent it, or the client that fetched it."""
    type: str
    record: str
    fields: tuple[str, ...]
    receipt: str = ""
    """The peer's evidence; where none is known, why it may have left all the same."""


def accounting(connection: Connection, tenant: str, patient: bytes, since: int, until: int) -> Iterator[Disclosure]:
    """Everything that left of one patient in a period (microseconds, end excluded), oldest first."""
    granted = Granted(connection)
    sent = (_sent(row) for row in reviewing.sent_to(connection, tenant, patient, since, until))
    fetched = (_fetched(row, granted) for row in reviewing.shown_to(connection, tenant, patient, since, until))
    return heapq.merge(sent, fetched, key=lambda one: one.at)


class Granted:
    """Which fields the views of pages granted."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.fields = cache(self._fields)

    def _fields(self, view: bytes, types: str) -> tuple[str, ...]:
        text = journal.text_of(self._connection, view)
        grants = {} if text is None else msgspec.json.decode(text)["grants"]
        return tuple(f"{kind}.{field}" for kind in types.split(",") for field in grants.get(kind, ()))


def _sent(row: Found) -> Disclosure:
    return Disclosure(
        at=iso(row.at), recipient=row.recipient, purpose=row.purpose, route=row.route, type=row.type,
        record=str(UUID(bytes=row.record_id)), fields=tuple(filter(None, row.fields.split(","))),
        receipt=row.receipt or row.reason,
    )  # fmt: skip


def _fetched(row: Found, granted: Granted) -> Disclosure:
    return Disclosure(
        at=iso(row.at), recipient=row.recipient, purpose=row.purpose, route=row.client, type=row.types,
        record=f"{row.records} of page {row.page}", fields=granted.fields(bytes(row.view), row.types),
    )  # fmt: skip


class Affected(msgspec.Struct, frozen=True, kw_only=True):
    """One patient in a breach pack."""

    patient: str
    disclosures: int
    fields: tuple[str, ...]
    recipients: tuple[str, ...]


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """What left by a door that was open to the wrong people: whose, and what."""

    tenant: str
    route: str | None
    client: str | None
    since: str
    until: str
    deliveries: int
    pages: int
    without_patient: int
    """Deliveries that were about no patient."""
    fields: dict[str, int]
    """Every field that left, and in how many disclosures."""
    patients: list[Affected]
    ledger_deliveries: int
    """How many changes the ledger counts as delivered in this period: must equal ``deliveries``."""

    @property
    def reconciled(self) -> bool:
        """Whether pack and ledger tell the same count."""
        return self.deliveries == self.ledger_deliveries


def breach(
    connection: Connection, tenant: str, *, route: str | None, client: str | None, since: int, until: int
) -> Breach:
    """All that left in a period by one route, by one client, or (with neither) at all."""
    granted = Granted(connection)
    told: Counter[str] = Counter()
    fields: defaultdict[bytes, set[str]] = defaultdict(set)
    recipients: defaultdict[bytes, set[str]] = defaultdict(set)
    counts: Counter[bytes] = Counter()
    sent = pages = 0
    if client is None:
        for patient, _, recipient, named in reviewing.delivered(connection, tenant, route, since, until):
            sent += 1
            _add(patient, [one for one in named.split(",") if one], recipient, told, fields, recipients, counts)
    for row in reviewing.shown(connection, tenant, client if route is None else route[:MOST_NAME], since, until):
        pages += 1
        left = granted.fields(bytes(row.view), row.types)
        _add(bytes(row.patient), left, row.recipient, told, fields, recipients, counts)
    counted = 0 if client is not None else reviewing.delivered_count(connection, tenant, route, since, until)
    affected = [
        Affected(
            patient=str(UUID(bytes=one)), disclosures=counts[one], fields=tuple(sorted(fields[one])),
            recipients=tuple(sorted(recipients[one])),
        )
        for one in sorted(fields)
    ]  # fmt: skip
    return Breach(
        tenant=tenant, route=route, client=client, since=iso(since), until=iso(until), deliveries=sent, pages=pages,
        without_patient=sent + pages - sum(counts.values()), fields=dict(sorted(told.items())), patients=affected,
        ledger_deliveries=counted,
    )  # fmt: skip


def _add(
    patient: bytes | None,
    named: list[str] | tuple[str, ...],
    recipient: str,
    told: Counter[str],
    fields: dict[bytes, set[str]],
    recipients: dict[bytes, set[str]],
    counts: Counter[bytes],
) -> None:
    told.update(named)
    if patient is not None:
        counts[patient] += 1
        fields[patient].update(named)
        recipients[patient].add(recipient)
