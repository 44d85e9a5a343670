"""Powers of commands: which one a call asks for, and what production is told it lacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gateway.access.roles import built_in_roles
from gateway.cli import app
from gateway.cli.permits import OTHERWISE, POWERS, power_of


@pytest.mark.parametrize(
    ("words", "power"),
    [
        (["records", "Patient", "--show"], "records.read"), (["quarantine", "release", "m1"], "quarantine.release"),
        (["routes"], "status.read"), (["routes", "pause", "desk"], "routes.change"), (["serve"], OTHERWISE),
        (["--config", "x", "records"], OTHERWISE), ([], OTHERWISE), (["people", "--help"], OTHERWISE),
    ],
)  # fmt: skip
def test_a_call_asks_for_its_power(words: list[str], power: str) -> None:
    """The longest known command counts; whatever is not known needs the power of administrators."""
    assert power_of(words) == power


@pytest.mark.parametrize(
    ("words", "power"),
    [
        (["routes", "-c", "gateway.toml", "pause", "desk"], "routes.change"),
        (["routes", "--json", "replay", "desk"], "routes.change"),
        (["routes", "--config=resume", "pause", "desk"], "routes.change"),
        (["persons", "--json", "link", "a", "b"], "data.import"), (["routes", "--json"], "status.read"),
        (["persons", "-c", "review", "link", "a"], "data.import"), (["messages", "--json"], "messages.read"),
    ],
)  # fmt: skip
def test_options_do_not_hide_which_command_it_is(words: list[str], power: str) -> None:
    """An option between a group and its command does not make it the group, which asks for less."""
    root = get_command(app)
    with root.make_context("gateway", ["messages"]) as context:
        assert power_of(root.words(context, words)) == power  # type: ignore[attr-defined]  # the root is `Commands`


def test_the_table_names_commands_and_powers() -> None:
    """Every line is about a command that exists and a power that some role has."""
    root = get_command(app)
    for words, power in POWERS.items():
        first, _, second = words.partition(" ")
        command = root.commands.get(first)  # type: ignore[attr-defined]  # the root is a group
        assert not second or second in command.commands
        assert command is not None or not second  # a single word may be a command that a plugin offers
        assert power in built_in_roles().powers


def test_a_role_holds_on_the_command_line_and_production_is_told_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only account is refused by name; the check lists keys witnesses and accounts in one go."""
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    assert runner.invoke(app, ["init"]).exit_code == 0
    added = runner.invoke(app, ["people", "add", "maria.lopez", "--role", "operator", "--json"])
    assert json.loads(added.stdout)["password"]
    told = json.loads(runner.invoke(app, ["check", "--production", "--json"]).stdout)
    assert not told["ok"]
    for where in ("keys", "witnesses", "people.command_line"):
        assert any(problem["where"].startswith(where) for problem in told["problems"]), told
    with Path("gateway.toml").open("a") as file:
        file.write('\n[people.command_line]\n"*" = "read-only"\n')
    assert runner.invoke(app, ["messages"]).exit_code == 0
    refused = runner.invoke(app, ["people", "list"])
    assert "people.read" in str(refused.exception)
    Path("booking.hl7").write_bytes(b"MSH|^~\\&|A|B|C|D|20260302080000||ADT^A04|1|P|2.5.1\rPID|1||4711\r")
    refused = runner.invoke(app, ["import", "booking.hl7"])
    assert "data.import" in str(refused.exception)
