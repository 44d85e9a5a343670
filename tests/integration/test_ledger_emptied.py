"""Content that is gone: what retention and shredding took away is explained, and nothing else can be emptied unseen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Table, select, update

from gateway.audit.entry import entry
from gateway.flow import ledger_emptied
from gateway.flow.bound_rows import bind_rows
from gateway.flow.ledger_emptied import Drops
from gateway.flow.places import change_row
from gateway.settings_keys import Retention
from gateway.store.schema import changes, messages, outcomes
from tests.integration.parts import TENANT, Parts, appointment, message, patient
from tests.integration.test_flow_ledger import found_by
from tests.integration.test_flow_retention import YEARS, age, drop, named
from tests.integration.test_flow_shred import shred, sound

MESSAGES = Retention(tenant=TENANT, of="messages", days=365)
VERSIONS = Retention(tenant=TENANT, of="versions", days=365)
EMPTIED = [
    (messages, {"box": None}), (outcomes, {"key_id": None, "wrapped": None}), (changes, {"box": None}),
    (changes, {"key_id": None, "wrapped": None}), (changes, {"key_id": None, "wrapped": None, "box": None}),
]  # fmt: skip


def over(parts: Parts) -> None:
    """Let every message have come long ago."""
    parts.store.write_sync(
        lambda connection: connection.execute(
            update(messages).values(received_at=messages.c.received_at - YEARS, mac=None)
        )
    )
    bind_rows(parts.store)


@pytest.fixture(scope="module")
def run(shared: Parts) -> Parts:
    """A gateway that dropped messages and versions, shredded one of two who share a message, and went on."""
    named(shared, ("Adams", "Adams-Cole"))
    again = message(patient("p1", "Adams-Dole"), control="C1")
    shared.take(again, again)
    age(shared)
    over(shared)
    assert drop(shared, VERSIONS) == 3
    assert drop(shared, MESSAGES) == 6
    shared.take(message(patient("p3", "Clark"), appointment("a3", "p4")), message(patient("p4", "Davis")))
    shred(shared, "p3")
    shared.take(message(patient("p1", "Adams-Ellis"), appointment("a1", "p1", status="arrived")))
    shared.sequence()
    return shared


def test_what_was_dropped_and_shredded_is_explained(run: Parts) -> None:
    """Both recounts find nothing after retention and shredding, though messages and versions are empty."""
    sound(run)
    bare = run.store.read_sync(
        lambda connection: connection.execute(select(messages.c.message_id).where(messages.c.box.is_(None))).fetchall()
    )
    assert len(bare) == 6 + 1 + 1  # a repeat, and what told of the shredded patient and another


@pytest.mark.parametrize(("table", "empty"), EMPTIED, ids=lambda one: getattr(one, "name", None) or "-".join(one))
def test_nothing_else_can_be_emptied(run: Parts, table: Table, empty: dict[str, Any]) -> None:
    """Every message, key of one or version that still has its content is named when somebody takes it away."""
    whole = [table.c[name].is_not(None) for name in empty]
    rows = run.store.read_sync(lambda connection: connection.execute(select(table).where(*whole)).fetchall())
    assert rows
    for row in rows:
        at = [column == getattr(row, column.name) for column in table.primary_key]
        empties = update(table).where(*at).values(empty)
        found = found_by(run, lambda connection, empties=empties: connection.execute(empties))
        (found,) = [one for one in found if one.startswith("emptied-on-purpose")]
        assert found.endswith(ledger_emptied.EMPTIED)
        assert (f"/{row.version}:" if table is changes else f"message {row.message_id}:") in found
    sound(run)


def test_a_message_that_waits_is_not_emptied_unseen(parts: Parts) -> None:
    """A message whose bytes somebody takes away while it waits is named, and ends in quarantine."""
    (receipt,) = asyncio.run(parts.accept(message(patient("p1", "Early"))))
    parts = parts.reopen()  # what came is in no process's memory any more
    gone = update(messages).where(messages.c.message_id == receipt.message_id).values(box=None)
    parts.store.write_sync(lambda connection: connection.execute(gone))
    for _ in range(2):
        assert [one.row for one in parts.ledger().problems] == [f"message {receipt.message_id}"]
        parts.settle()
    assert parts.ledger().quarantined == {"key-destroyed": 1}


def test_entries_of_drops_are_read_whole() -> None:
    """Runs of messages, and each of very many versions, are told from those that no drop entry names."""
    rows = [change_row(number.to_bytes(16), 1) for number in range(100_000)]
    drops = Drops()
    for action, some in (("drop", rows[::2]), ("access", rows[1::2])):
        named = {"messages": [number + len(some) for number in (1, 2, 3, 7)], "changes": some}
        drops.take(entry("t", action=action, actor="a", purpose="p", outcome="o", **named).body)
    assert [drops.has_version(row) for row in rows] == [number % 2 == 0 for number in range(len(rows))]
    assert [number for number in range(10) if drops.has_message(number + 50_000)] == [1, 2, 3, 7]
