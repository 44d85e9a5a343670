"""Powers over backups: who may try one, who may put one in place, and that neither needs a store that is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.store.locking import take_lock

SETTINGS = """
[log]
level = "error"
[keys.config]
path = "root/root.key"
[[tenants]]
name = "north"
[people.command_line]
"*" = "ROLE"
"""


def run(config: Path, *words: str) -> Result:
    """A command's end."""
    return CliRunner().invoke(app, [*words, "--config", str(config)])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gateway with a backup beside it, whose account here is an administrator's."""
    config = tmp_path / "gateway.toml"
    act_as(config, "admin")
    assert run(config, "init").exit_code == 0
    made = run(config, "backup", "create", "--to", str(tmp_path / "b"), "--keys-to", str(tmp_path / "k"))
    assert made.exit_code == 0, made.output
    return config


def act_as(config: Path, role: str) -> None:
    """Give every account of this machine a role."""
    config.write_text(SETTINGS.replace("ROLE", role))


def ask(config: Path, what: str, *more: str) -> Result:
    """Verify or restore the backup."""
    return run(
        config, "backup", what, "--from", str(config.parent / "b"), "--keys-from", str(config.parent / "k"), *more
    )


def logged(config: Path, action: str) -> list[str]:
    """Outcomes of this action in the audit log, oldest first."""
    act_as(config, "admin")
    found = json.loads(run(config, "audit", "search", "--action", action, "--json").stdout)["entries"]
    return sorted(str(one["outcome"]) for one in found)


def test_who_may_not_is_refused_and_logged(config: Path) -> None:
    """A compliance officer may try a backup and not put it in place, an operator neither; nothing was touched."""
    act_as(config, "compliance")
    assert "can be restored" in ask(config, "verify").output
    assert "gateway.run" in str(ask(config, "restore", "--replace").exception)
    act_as(config, "operator")
    assert "audit.read" in str(ask(config, "verify").exception)
    assert "gateway.run" in str(ask(config, "restore", "--replace").exception)
    assert not list((config.parent / "data").glob("before-*"))
    assert logged(config, "refuse") == ["audit.read", "gateway.run", "gateway.run"]


def test_a_restore_is_in_the_log_it_brought(config: Path) -> None:
    """What was put in place says who did it, once somebody took on the entries that it lacks."""
    assert ask(config, "restore", "--replace").exit_code == 0
    taken_on = run(config, "audit", "acknowledge")
    assert taken_on.exit_code == 0, taken_on.exception
    assert logged(config, "backup") == ["restored"]


@pytest.mark.parametrize("role", ["admin", "operator"])
def test_where_the_store_is_lost_the_settings_say_who_may(config: Path, role: str) -> None:
    """Role and power count as before, nobody's refusal leaves an empty store, and the restored one is there to use."""
    data = config.parent / "data"
    shutil.rmtree(data)
    act_as(config, role)
    answers = ask(config, "verify"), ask(config, "restore")
    if role == "operator":
        assert ["audit.read" in str(answers[0].exception), "gateway.run" in str(answers[1].exception)] == [True, True]
        assert not (data / "gateway.db").exists()
    else:
        assert [one.exit_code for one in answers] == [0, 0]
        assert run(config, "verify", "ledger").exit_code == 0


def test_nothing_is_restored_under_a_gateway_that_serves(config: Path) -> None:
    """It would acknowledge messages into the store that was moved aside."""
    lock = take_lock(config.parent / "data")
    try:
        assert "Another gateway serves" in str(ask(config, "restore", "--replace").exception)
    finally:
        lock.close()
    assert not list((config.parent / "data").glob("before-*"))
    assert ask(config, "restore", "--replace").exit_code == 0
