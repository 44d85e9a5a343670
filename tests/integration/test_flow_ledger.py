"""The ledger: after anything that can happen it adds up, and no single row of it can vanish unseen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, Table, delete, select

from gateway.flow.ledger import recount_tenant, totals
from gateway.flow.quarantine import release
from gateway.flow.route import Filter
from gateway.model.exchange import Delivered, Delivery, Dispatch, Outcome, Rejected, Retry
from gateway.store import messages, schema, schema_audit
from tests.integration.parts import (
    TENANT,
    Parts,
    Written,
    appointment,
    deliver_all,
    findings,
    merged,
    message,
    patient,
    removed,
)


class Undo(Exception):
    """Carries what was found out of a unit of work that shall leave nothing."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Crashing(Written):
    """Ends the process while it delivers."""

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        raise Crash


def mixed(parts: Parts) -> None:
    """A run in which everything happens that the ledger counts: at its end, something is left in every table."""
    good = message(patient("p1", "A"), appointment("a1", "p1"), control="C1")
    held = message(patient("p2", "B"), told={"fault": "needs-context"}, control="C2")
    rest = [
        message(patient("p1", "A2"), control="C1"), message(patient("p1", "A3", version="2026-02-02")),
        message(patient("p1", "A4", version="2026-01-01")), message(control="C3", key="p1", told={"suppressed": "ack"}),
        message(patient("p3", "C"), told={"fault": "needs-context"}, context=b"ISA*00", control="C4"),
        message({"type": "Location", "native_id": "l1", "fields": {"name": "North"}}),
        message(patient("old", "O")), message(patient("new", "N")), message(appointment("a9", "p1")),
    ]  # fmt: skip
    receipts = parts.take(good, held, good, *rest)
    asyncio.run(parts.receiver().accept([], findings=list(findings("%%%"))))
    parts.take(message(patient("told-again", "A")), message(removed("Appointment", "a9", "p1")))
    release(parts.store, parts.audit, TENANT, f"m{receipts[1].message_id}", "user:ann")
    parts.settle()
    desk(parts)
    parts.take(message(merged("old", "new")), message(patient("new", "N2")), message(patient("p1", "A5")))
    desk(parts)
    crash(parts)
    asyncio.run(parts.accept(message(patient("p1", "waits")), message(patient("p5", "waits"))))


def desk(parts: Parts) -> None:
    """A route that halts on one patient, retries another whose survivor must wait, and delivers the rest."""
    refused, busy = (parts.vault.record_id(TENANT, "told", "Patient", name) for name in ("p1", "old"))

    def answer(delivery: Delivery) -> Outcome:
        if delivery.record_id == refused:
            return Rejected("no-such-chart")
        return Retry("busy", after=3600.0) if delivery.record_id == busy else Delivered("ok")

    deliver_all(parts.delivering(Written(answer)))
    deliver_all(parts.delivering(Written(), name="books", filter=Filter(types=frozenset({"Appointment"})), halt=False))


def crash(parts: Parts) -> None:
    """A route whose process ends in the middle of a dispatch."""
    with pytest.raises(Crash):
        deliver_all(parts.delivering(Crashing(), name="cut"))


def found_by(parts: Parts, change: Callable[[Connection], None]) -> list[str]:
    """What both recounts find after a change to the database, which is undone again."""

    def unit(connection: Connection) -> None:
        change(connection)
        ledger, audit = recount_tenant(connection, TENANT), parts.audited(connection)
        raise Undo(
            [f"{one.rule}: {one.row}: {one.found}" for one in ledger.problems]
            + [f"{one.reason}: {one.where}: {one.what}" for one in audit.findings]
        )

    with pytest.raises(Undo) as undone:
        parts.store.write_sync(unit)
    return undone.value.found


def place_of(row: Any) -> str:
    """A delivery's place as findings name it."""
    return f"route {row.route} lane {row.lane} position {row.position}"


NAMES: dict[Table, Callable[[Any], str]] = {
    schema.messages: lambda row: f"message {row.message_id}:",
    schema.inbox: lambda row: f"message {row.message_id}:",
    schema.outcomes: lambda row: f"message {row.message_id}:",
    schema.changes: lambda row: f"lane {row.lane} position {row.position}:",
    schema.records: lambda row: f"record {bytes(row.record_id).hex()}",
    schema.lanes: lambda row: f"lane {row.lane}:",
    schema.routes: lambda row: f"route {row.route}",
    schema.deliveries: place_of,
    schema.claims: lambda row: "route {} lane {} position {}".format(row.route, *json.loads(row.items)[0]),
    schema.waiting: place_of,
    schema.route_cursors: lambda row: f"route {row.route} lane {row.lane}:",
    schema.contexts: lambda row: f"context {row.context_id}:",
    schema.texts: lambda row: bytes(row.hash).hex(),
    schema_audit.audit_rows: lambda row: f"writer {row.writer}, row {row.seq}",
    schema_audit.audit_leaves: lambda row: f"Leaf {row.leaf} should come next",
    schema_audit.checkpoints: lambda row: f"size {row.size}",
}


def last_leaf(table: Table, row: Any, problem: str) -> bool:
    """Whether it is said that the log ends before this leaf: the last one has no successor to miss it."""
    return table is schema_audit.audit_leaves and f"The log has {row.leaf} leaves" in problem


@pytest.fixture(scope="module")
def run(shared: Parts) -> Parts:
    """A gateway after a mixed run, its audit log numbered and signed."""
    mixed(shared)
    shared.sequence()
    return shared


def test_a_mixed_run_adds_up(run: Parts) -> None:
    """After a run in which everything happens, both recounts find nothing, and the sums are those of the run."""
    ledger = run.ledger()
    assert ledger.problems == []
    assert run.store.read_sync(run.audited).findings == ()
    assert (
        ledger.accepted
        == ledger.normalized + sum(ledger.suppressed.values()) + sum(ledger.quarantined.values()) + ledger.pending
    )
    assert ledger.suppressed == {"ack": 1, "repeat": 1}
    assert ledger.pending == 2
    for route in ledger.routes:
        assert (
            route.matching
            == route.delivered
            + sum(route.suppressed.values())
            + sum(route.quarantined.values())
            + route.expired
            + route.pending
        ), route.route
    assert totals([ledger])["unaccounted"] == 0


def test_the_tally_agrees_with_the_recount(run: Parts) -> None:
    """A tally counts each accepted message once, by its last outcome."""
    found = run.store.read_sync(lambda connection: messages.tally(connection, TENANT))
    ledger = run.ledger()
    assert {reason: n for (outcome, reason), n in found.items() if outcome == "suppressed"} == ledger.suppressed
    assert {reason: n for (outcome, reason), n in found.items() if outcome == "quarantined"} == ledger.quarantined
    assert sum(n for (outcome, _), n in found.items() if outcome == "normalized") == ledger.normalized
    assert (found[None, None], found.total()) == (ledger.pending, ledger.accepted)


def test_no_table_is_empty(run: Parts) -> None:
    """The mixed run leaves at least one row in every table that rule 11 speaks of, and a survivor that waits."""
    for table in NAMES:
        rows = run.store.read_sync(lambda connection, table=table: connection.execute(select(table)).fetchall())
        assert rows, table.name
    waiting = run.store.read_sync(lambda connection: connection.execute(select(schema.waiting)).fetchall())
    assert {row.reason.partition(":")[0] for row in waiting} >= {"behind", "busy", "merge"}


@pytest.mark.parametrize("table", NAMES, ids=lambda table: table.name)
def test_no_row_can_vanish(run: Parts, table: Table, scale: Callable[[int], int]) -> None:
    """Each row that is deleted, alone, is named by a recount."""
    rows = run.store.read_sync(lambda connection: connection.execute(select(table)).fetchall())
    step = max(1, len(rows) // scale(24))
    unseen = []
    for row in [*rows[::step], rows[-1]]:
        where = [table.c[column.name] == getattr(row, column.name) for column in table.primary_key]
        problems = found_by(run, lambda connection, where=where: connection.execute(delete(table).where(*where)))
        if not any(NAMES[table](row) in f"{problem}:" or last_leaf(table, row, problem) for problem in problems):
            unseen.append((NAMES[table](row), problems[:3]))
    assert unseen == []
    assert run.ledger().problems == []


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        (schema.outcomes, "changes", 7), (schema.outcomes, "outcome", "released"), (schema.records, "version", 9),
        (schema.lanes, "head", 10_000), (schema.messages, "answer", "AE"), (schema.changes, "lane", 99),
        (schema.changes, "lane", -1), (schema.deliveries, "lane", 99), (schema.deliveries, "lane", -1),
        (schema_audit.audit_rows, "body", b"{}"), (schema_audit.audit_leaves, "hash", bytes(32)),
    ],
    ids=lambda value: getattr(value, "name", None),
)  # fmt: skip
def test_no_row_can_be_changed_to_hide_something(run: Parts, table: Table, column: str, value: Any) -> None:
    """A count, a head or a logged row that says something else than the rest is found."""
    row = run.store.read_sync(lambda connection: connection.execute(select(table)).fetchall())[0]
    where = [table.c[key.name] == getattr(row, key.name) for key in table.primary_key]
    assert found_by(run, lambda connection: connection.execute(table.update().where(*where).values({column: value})))


def test_a_row_too_many_is_found(run: Parts) -> None:
    """A second inbox row, delivery or outcome that never happened is found as well."""
    for table, change in ((schema.inbox, {"message_id": 10**9}), (schema.deliveries, {"position": 10**6}),
                          (schema.outcomes, {"message_id": 2**62})):  # fmt: skip
        row = run.store.read_sync(lambda connection, table=table: connection.execute(select(table)).fetchall())[0]
        values = {column.name: getattr(row, column.name) for column in table.columns} | change
        found = found_by(run, lambda connection, t=table, v=values: connection.execute(t.insert().values(v)))
        assert found, table.name
