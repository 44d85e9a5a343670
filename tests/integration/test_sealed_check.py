"""Opening everything that is sealed: whatever was changed is named with what it is, and all else counted as whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Table, select, update

from gateway.flow import sealed_check
from gateway.flow.contents import CHANGED
from gateway.flow.places import change_row, group_row
from gateway.flow.sealed_check import Checked, check_sealed
from gateway.store import sealed
from gateway.store.schema import changes, contexts, messages
from gateway.store.schema_reactors import reactor_groups
from tests.integration.counting import Counting
from tests.integration.parts import TENANT, Parts, appointment, message, patient
from tests.integration.test_flow_react import run as react
from tests.integration.test_flow_shred import shred

NAMES = {
    messages: lambda row: ("message", row.message_id, 1),
    contexts: lambda row: ("envelope", row.context_id, 1),
    changes: lambda row: (row.type, *change_row(row.record_id, row.version).split("/")),
    reactor_groups: lambda row: ("group", group_row(row.reactor, row.group_id), row.turn),
}
"""By table: type, id and version under which a damaged value is named."""


@pytest.fixture(scope="module")
def run(shared: Parts) -> Parts:
    """A gateway with several values of every kind, some of a patient who was shredded."""
    shared.take(*(message(patient(f"p{n}", "A"), context=b"ISA*%d" % n) for n in range(4)))
    shared.take(*(message(appointment(f"a{n}", f"p{n}")) for n in range(4)))
    react(shared, shared.reacting(Counting()))
    shred(shared, "p3")
    return shared


def check(parts: Parts) -> Checked:
    """What the command runs."""
    return check_sealed(parts.store, parts.vault, parts.audit, TENANT, "cli:tester")


def rows(parts: Parts, table: Table) -> Sequence[Any]:
    """All rows of a table that hold something sealed."""
    return parts.store.read_sync(
        lambda connection: connection.execute(select(table).where(table.c.box.is_not(None))).fetchall()
    )


@pytest.mark.parametrize("step", [2, 1000])
def test_all_that_is_whole_is_counted(run: Parts, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Every value is opened once, in steps of any size; what was shredded is counted apart, and nothing is damaged."""
    monkeypatch.setattr(sealed_check, "STEP", step)
    found = check(run)
    assert found.damaged == []
    assert (found.envelopes, found.groups) == (4, 4)
    assert 0 < found.shredded < found.messages
    assert found.messages + found.versions + found.shredded == len(rows(run, messages)) + len(rows(run, changes))


def test_every_kind_is_looked_at(run: Parts) -> None:
    """No table that holds sealed values is left out; those without a box hold the keys of messages."""
    assert {one.table for one in sealed.HOLDERS if "box" in one.table.c} | {messages} == set(NAMES)
    assert all(len(rows(run, table)) > 1 for table in NAMES)


@pytest.mark.parametrize("table", NAMES, ids=lambda table: table.name)
def test_what_was_changed_is_named(run: Parts, table: Table) -> None:
    """One changed byte of one value, and the box of another value in its place, are each named, and only they."""
    before = check(run)
    one, other = rows(run, table)[:2]
    at = [column == getattr(one, column.name) for column in table.primary_key]
    flipped = bytes([one.box[0] ^ 1]) + one.box[1:]
    for box in (flipped, other.box):

        def put(connection: Connection, value: bytes = box) -> None:
            connection.execute(update(table).where(*at).values(box=value))

        run.store.write_sync(put)
        found = check(run)
        type_, id, version = NAMES[table](one)
        assert found.damaged == [{"type": type_, "id": id, "version": int(version), "reason": CHANGED}]
        run.store.write_sync(lambda connection: put(connection, one.box))
    assert check(run) == before
