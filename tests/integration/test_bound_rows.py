"""Rows on PostgreSQL: whoever changes, adds or unbinds one behind the gateway's back is found out by the recount."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Boolean, Column, Connection, Integer, SmallInteger, Table, func, make_url, select, update
from sqlalchemy.types import LargeBinary
from typer.testing import CliRunner

from gateway.cli import app
from gateway.flow import bound_rows
from gateway.flow.ledger import BOUND, MOST_NAMED, recount_deliveries, recount_tenant
from gateway.flow.rewrap import rewrap_stored
from gateway.flow.shred import Shredder
from gateway.store import bound, reading, recount, reviewing, shreds
from gateway.store.audit import row_count
from gateway.store.binding import MAC, bound_names
from gateway.store.engines import postgres_engine
from gateway.store.journal import keep_text
from gateway.store.schema import deliveries
from gateway.store.schema_http import disclosures
from gateway.vault.rotation import Rotation
from gateway.vault.shred_list import ShredList
from tests.integration.conftest import place_for
from tests.integration.parts import TENANT, Parts, message, patient
from tests.integration.test_flow_ledger import Undo, mixed
from tests.postgres import database

OTHER = "southside"
POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)
Change = Callable[[Connection], object]


@pytest.fixture(params=[POSTGRES], scope="module")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """A gateway on PostgreSQL after a run that leaves something in every table; tests undo what they do."""
    with place_for(request, tmp_path_factory.mktemp("bound")) as place:
        parts = place.open()
        mixed(parts)
        _shown(parts, "p1")
        gone = parts.record("Patient", "p1")
        parts.store.write_sync(lambda connection: shreds.note(connection, TENANT, gone))
        yield parts
        parts.close()


def _shown(parts: Parts, native_id: str) -> None:
    """A page over HTTP that told of a patient."""
    whose = parts.record("Patient", native_id)
    view = min(parts.store.read_sync(recount.text_hashes))
    told = {
        "tenant": TENANT, "page": 5, "patient": whose, "client": "c", "records": 1, "types": "Patient", "view": view,
        "recipient": "billing company", "purpose": "operations", "at": 5,
    }  # fmt: skip
    entry = parts.audit.entry(
        TENANT, action="read", actor="client:c", purpose="operations", patients=[str(UUID(bytes=whose))], pages=[5]
    )
    parts.audit.commit(entry, lambda connection: reading.disclose(connection, [told]))


def found_by(parts: Parts, change: Change) -> list[str]:
    """Rows that the recount says are not as they were written, after a change that is undone again."""

    def unit(connection: Connection) -> None:
        change(connection)
        problems = recount_tenant(connection, TENANT).problems
        raise Undo([f"{one.row}: {one.found}" for one in problems if one.rule == BOUND])

    with pytest.raises(Undo) as undone:
        parts.store.write_sync(unit)
    return undone.value.found


def some(connection: Connection, table: Table, column: Column[Any] | None = None) -> Any:
    """A row in the midst of a table, one that has a value in the column if any has."""
    rows = connection.execute(select(table)).fetchall()
    having = [row for row in rows if column is not None and getattr(row, column.name) is not None]
    return (having or rows)[len(having or rows) // 2]


def at(table: Table, row: Any) -> list[Any]:
    """The condition that is true of this row alone."""
    return [column == getattr(row, column.name) for column in table.primary_key]


def otherwise(column: Column[Any], value: Any) -> Any:
    """Another value that the column takes, in a place where no row stands."""
    if column.name == "tenant":
        return OTHER
    if isinstance(column.type, Boolean):
        return not value
    if isinstance(column.type, LargeBinary):
        return bytes(column.type.length or 40) if value is None else bytes([value[0] ^ 1]) + value[1:]
    if isinstance(column.type, Integer):  # and what is greater or smaller
        return (value or 0) + (60 if isinstance(column.type, SmallInteger) else 10**6)
    return (value or "").swapcase()[:-1] + "~"


def test_what_the_gateway_wrote_is_as_it_was_written(run: Parts) -> None:
    """After a run in which everything happens every table has rows, and the recount finds nothing."""
    for table in bound.TABLES:
        assert run.store.read_sync(partial(some, table=table)) is not None, table.name
    assert run.ledger().problems == []


@pytest.mark.parametrize("table", bound.TABLES, ids=lambda one: one.name)
def test_no_bound_column_can_be_changed(run: Parts, table: Table) -> None:
    """A row of which one lasting column was changed is named, whichever column it is; every column is tried alone."""
    unseen = []

    def unit(connection: Connection) -> None:
        for name in bound_names(table):
            row = some(connection, table, table.c[name])
            alone = connection.begin_nested()
            value = otherwise(table.c[name], getattr(row, name))
            connection.execute(update(table).where(*at(table, row)).values({name: value}))
            told = {one for tenant in (TENANT, OTHER) for one in bound.wrong(connection, table, tenant)}
            if [found for _, found in told] != [bound.CHANGED]:
                unseen.append(name)
            alone.rollback()

    run.store.write_sync(unit)
    assert unseen == []


@pytest.mark.parametrize("table", bound.TABLES, ids=lambda one: one.name)
def test_no_row_can_be_unbound_added_or_swapped(run: Parts, table: Table) -> None:
    """A row whose MAC was emptied, a copy at another place, and one with another row's MAC are named."""
    row = run.store.read_sync(partial(some, table=table))
    (told,) = found_by(run, lambda c: c.execute(update(table).where(*at(table, row)).values(mac=None)))
    assert told.startswith(f"{table.name} ")
    assert bound.MISSING in told
    last = list(table.primary_key)[-1]
    copied = {**row._mapping, last.name: otherwise(last, getattr(row, last.name))}
    (told,) = found_by(run, lambda c: c.execute(table.insert().values(copied)))
    assert bound.CHANGED in told

    def swap(connection: Connection) -> None:
        connection.execute(table.insert().values({**copied, MAC: None}))
        bound.bind_some(connection, table.name, None, 10)
        theirs = connection.execute(select(table.c.mac).where(last == copied[last.name]).limit(1)).scalar_one()
        connection.execute(update(table).where(*at(table, row)).values(mac=theirs))

    (told,) = found_by(run, swap)
    assert bound.CHANGED in told


def test_the_accounting_of_a_patient_sees_it_too(run: Parts) -> None:
    """Whoever asks to whom a patient's data went hears of a changed recipient, also after it was made another's."""
    whose = run.record("Patient", "p1")
    lane = run.store.read_sync(lambda connection: reviewing.lane_of(connection, TENANT, whose))

    def unit(connection: Connection) -> None:
        mine = deliveries.c.patient == whose
        connection.execute(update(deliveries).where(mine).values(patient=run.record("Patient", "new")))
        connection.execute(update(disclosures).values(recipient="nobody"))
        raise Undo([one.row for one in recount_deliveries(connection, TENANT, lane, whose) if one.rule == BOUND])

    with pytest.raises(Undo) as undone:
        run.store.write_sync(unit)
    assert {row.split()[0] for row in undone.value.found} == {"deliveries", "disclosures"}


def test_a_table_that_is_wrong_as_a_whole_is_counted(run: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many rows are named, and of the others it is said how many there are."""
    monkeypatch.setattr("gateway.flow.ledger.MOST_NAMED", 3)
    assert MOST_NAMED > 3
    count = run.store.read_sync(lambda c: c.execute(select(func.count()).select_from(deliveries)).scalar_one())
    found = found_by(run, lambda connection: connection.execute(update(deliveries).values(at=1)))
    assert len(found) == 4
    assert f"{count - 3} rows more" in found[-1]


def test_a_filter_that_is_none_any_more_ends_no_recount(run: Parts) -> None:
    """Where a route's filter was overwritten, the recount names the route instead of ending."""
    overwritten = update(bound.routes).values(filter="{")
    rules = []

    def unit(connection: Connection) -> None:
        connection.execute(overwritten)
        rules.extend(one.rule for one in recount_tenant(connection, TENANT).problems)
        raise Undo([])

    with pytest.raises(Undo):
        run.store.write_sync(unit)
    assert "route-has-editions" in rules


@pytest.fixture(params=[POSTGRES])
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Parts]:
    """A gateway on PostgreSQL with a few rows, for who leaves something behind."""
    with place_for(request, tmp_path) as place:
        opened = place.open()
        opened.take(*(message(patient(f"p{number}", "A")) for number in range(5)))
        yield opened
        opened.close()


class Ended(Exception):
    """The process ends here."""


def unbind(parts: Parts) -> None:
    """Leave the tables as an upgrade finds them: no row has a MAC."""
    for table in bound.TABLES:
        parts.store.write_sync(lambda connection, table=table: connection.execute(update(table).values(mac=None)))


def bind_first(parts: Parts) -> None:
    """What a start does."""
    bound_rows.bind_first(parts.store, parts.keystore, parts.audit, [TENANT])


def entries(parts: Parts) -> int:
    """How many entries the audit log has."""
    return parts.store.read_sync(lambda connection: row_count(connection, TENANT))


def test_rows_from_before_are_bound_once(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first start after the upgrade binds every row and logs it; a MAC emptied afterwards stays a fault."""
    monkeypatch.setattr(bound_rows, "STEP", 2)
    unbind(parts)
    assert {one.rule for one in parts.ledger().problems} == {BOUND}
    before = entries(parts)
    bind_first(parts)
    assert parts.ledger().problems == []
    assert entries(parts) == before + 1
    unbind(parts)
    parts = parts.reopen()
    bind_first(parts)
    assert entries(parts) == before + 1
    assert {one.rule for one in parts.ledger().problems} == {BOUND}


def test_a_binding_that_was_cut_off_goes_on(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a start left unbound when it ended, the next one binds; only then it is marked as done."""
    unbind(parts)
    real = bound.bind_some

    def end(connection: Connection, name: str, after: Any, most: int) -> Any:
        if name == deliveries.name:
            raise Ended
        return real(connection, name, after, most)

    monkeypatch.setattr(bound, "bind_some", end)
    with pytest.raises(Ended):
        bind_first(parts)
    monkeypatch.undo()
    assert not parts.keystore.has(*bound_rows.MARK)
    bind_first(parts)
    assert parts.keystore.has(*bound_rows.MARK)
    assert parts.ledger().problems == []


def test_a_changed_row_is_not_bound_again(parts: Parts) -> None:
    """On somebody's word rows without a MAC are bound, which is logged; one whose MAC is wrong stays found."""
    bind_first(parts)
    parts.store.write_sync(lambda c: c.execute(update(bound.messages).values(received_at=1)))
    parts.store.write_sync(lambda c: c.execute(update(bound.changes).values(mac=None)))
    before = entries(parts)
    assert bound_rows.bind_again(parts.store, parts.audit, [TENANT], "cli:ann", "restored") == {"changes": 5}
    assert entries(parts) == before + 1
    assert {one.row.split()[0] for one in parts.ledger().problems} == {"messages"}


def test_a_row_that_nobody_wrote_here_shreds_nobody(parts: Parts, tmp_path: Path) -> None:
    """Who can write to the database alone cannot have a start destroy a patient's keys, in every backup too."""
    whose = parts.record("Patient", "p1")
    forged = {"tenant": TENANT, "patient": whose, "at": 1, "mac": bytes(16)}
    parts.store.write_sync(lambda connection: connection.execute(bound.shreds.insert().values(forged)))
    shredder = Shredder(parts.store, parts.vault, parts.audit, ShredList(tmp_path / "shredded.list"))
    assert shredder.reconcile(TENANT) == 0
    assert parts.keystore.keys_of(TENANT, whose)
    assert [one.row for one in parts.ledger().problems] == [f"shreds {whose.hex()}"]
    shredder.shred(TENANT, whose, "patient-request", "cli:ann")
    assert parts.ledger().problems == []
    assert shredder.reconcile(TENANT) == 0


def test_rotation_moves_keys_and_no_mac(parts: Parts) -> None:
    """After every patient has a new key and each value hangs on it, each row is as it was written."""
    rotation = Rotation(parts.keystore)
    rotation.begin_patients(TENANT)
    while rotation.patients_step(TENANT):
        pass
    assert rewrap_stored(parts.store, parts.vault, TENANT) > 0
    assert parts.ledger().problems == []


def test_an_engine_without_the_key_writes_no_bound_row(parts: Parts) -> None:
    """Who only migrates can neither write rows without a MAC nor take any for good."""
    engine = postgres_engine(make_url(parts.place.url), writer=True)
    with engine.connect() as connection:
        with pytest.raises(ValueError, match="without the store's key"):
            keep_text(connection, bytes(32), "view", "{}")
        with pytest.raises(ValueError, match="without the store's key"):
            list(bound.wrong(connection, bound.messages, TENANT))
    engine.dispose()


SETTINGS = """
[store]
url = "{url}"
[keys.config]
path = "keys/root.key"
[[tenants]]
name = "northside"
[[sources]]
name = "ehr"
tenant = "northside"
adapter = "fhir"
zone = "America/Chicago"
"""


@pytest.mark.postgres
def test_the_commands_name_a_changed_row_and_bind_a_restored_one(
    migrated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`verify ledger` ends with 1 and tells the row and what to do; `keys bind` takes rows on that have no MAC."""
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    with database(migrated) as url:
        (tmp_path / "gateway.toml").write_text(SETTINGS.format(url=url), encoding="utf-8")
        (tmp_path / "one.ndjson").write_text('{"resourceType": "Patient", "id": "p1", "active": true}\n')
        for words in (["init"], ["import", "one.ndjson"]):
            assert runner.invoke(app, words, catch_exceptions=False).exit_code == 0, words
        engine = postgres_engine(make_url(url), writer=True)
        with engine.begin() as connection:
            connection.execute(update(bound.messages).values(received_at=1))
            connection.execute(update(bound.outcomes).values(mac=None))
        engine.dispose()
        found = runner.invoke(app, ["verify", "ledger"], catch_exceptions=False)
        assert found.exit_code == 1
        for told in (f"messages 1: {bound.CHANGED}", f"outcomes 1 0: {bound.MISSING}", "gateway keys bind"):
            assert told in found.stdout
        bind = runner.invoke(app, ["keys", "bind", "--reason", "restored", "--json"], catch_exceptions=False)
        assert json.loads(bind.stdout) == {"bound": {"outcomes": 1}}
        found = runner.invoke(app, ["verify", "ledger"], catch_exceptions=False)
        assert found.exit_code == 1
        assert [line.split()[2] for line in found.stdout.splitlines() if "PROBLEM" in line] == ["messages"]
