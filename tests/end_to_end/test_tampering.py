"""Whoever changes the database behind the gateway's back is found out by the commands that verify."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from gateway.configured import check_plugins
from gateway.registry import Registry
from gateway.settings import load
from gateway.store.engines import embedded_engine
from gateway.vault import Keystore
from tests.end_to_end.conftest import Run

LOST = {
    "messages": "DELETE FROM messages WHERE message_id = (SELECT max(message_id) FROM messages)",
    "outcomes": "DELETE FROM outcomes WHERE message_id = (SELECT max(message_id) FROM outcomes)",
    "changes": "DELETE FROM changes WHERE (lane, position) = (SELECT lane, max(position) FROM changes)",
    "records": "DELETE FROM records WHERE record_id = (SELECT max(record_id) FROM records)",
    "deliveries": "DELETE FROM deliveries WHERE (route, lane, position) ="
    " (SELECT route, lane, position FROM deliveries ORDER BY at DESC LIMIT 1)",
}
NAMED = {
    "messages": "received-is-stored", "outcomes": "message-accounted", "changes": "journal-gap-free",
    "records": "record-at-latest", "deliveries": "change-accounted",
}  # fmt: skip
FORGED = {
    "body": "UPDATE audit_rows SET body = replace(CAST(body AS TEXT), 'access', 'export')"
    " WHERE CAST(body AS TEXT) LIKE '%access%'",
    "removed": "DELETE FROM audit_rows WHERE seq = (SELECT max(seq) FROM audit_rows)",
    "leaf": "UPDATE audit_leaves SET hash = zeroblob(32) WHERE leaf = 3",
    "head": "DELETE FROM checkpoints WHERE size = (SELECT min(size) FROM checkpoints)",
}


@pytest.fixture
def database(copied: Path) -> Iterator[Engine]:
    """A second connection with the gateway's own engine and key: what an insider with the keys could do."""
    settings = load(copied / "gateway.toml")
    registry = Registry.load(settings.plugin_names())
    configured = check_plugins(settings, registry, copied)
    provider = registry.key_providers[settings.keys.provider]
    with closing(Keystore(settings.keys.keystore, provider, configured.keys)) as keystore:
        engine = embedded_engine(settings.data.directory / "gateway.db", keystore.database_key(), writer=True)
    yield engine
    engine.dispose()


def tamper(database: Engine, statement: str) -> int:
    """Run one statement; how many rows it touched."""
    with database.begin() as connection:
        return int(connection.execute(text(statement)).rowcount)


@pytest.mark.parametrize("table", LOST)
def test_a_deleted_row_is_missed(table: str, database: Engine, gateway: Run) -> None:
    """After one row of a table is deleted, `verify ledger` ends with 1 and names what is missing."""
    assert tamper(database, LOST[table]) == 1
    answer = gateway("verify", "ledger", "--json")
    assert answer.code == 1
    problems = [problem for one in answer.json["tenants"] for problem in one["problems"]]
    assert answer.json["unaccounted"] == len(problems) > 0
    assert NAMED[table] in {problem["rule"] for problem in problems}
    assert all(problem["row"] and problem["found"] for problem in problems)
    assert {problem["rule"] for problem in problems} == set(answer.json["fixes"])
    assert f"Fix {NAMED[table]}: {answer.json['fixes'][NAMED[table]]}" in gateway("verify", "ledger").out.splitlines()


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_audit_log_is_found(forgery: str, database: Engine, gateway: Run) -> None:
    """After a row of the audit log is changed or removed, `verify audit` ends with 1 and says what is wrong."""
    assert tamper(database, FORGED[forgery]) >= 1
    answer = gateway("verify", "audit", "--json")
    assert answer.code == 1
    assert answer.json["audit_valid"] is False
    reasons = {finding["reason"] for one in answer.json["tenants"] for finding in one["findings"]}
    assert reasons == set(answer.json["fixes"]) != set()
    told = gateway("verify", "audit").out.splitlines()
    assert {f"Fix {reason}: {fix}" for reason, fix in answer.json["fixes"].items()} <= set(told)


def test_an_untouched_copy_is_whole(copied: Path, gateway: Run) -> None:
    """Nothing is reported where nothing was done: both commands end with 0."""
    ledger, audit = gateway("verify", "ledger", "--json"), gateway("verify", "audit", "--json")
    assert (ledger.code, ledger.json["unaccounted"]) == (0, 0)
    assert (audit.code, audit.json["audit_valid"]) == (0, True)
