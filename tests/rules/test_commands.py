"""Every command can be used by programs and by people who never saw it before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperArgument, TyperGroup
from typer.main import get_command

from gateway.cli import PANELS, app, permits

OPEN_NO_STORE = (
    "adapters", "adapters show", "certify", "health", "init", "sources", "simulate", "witness", "mappings check",
    "mappings preview", "accounting", "visits",
)  # fmt: skip
"""Built-in commands that ask for no power: they read settings or status files, or are a group's own page."""


def _commands(command: Any, context: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not isinstance(command, TyperGroup):
        yield words, command
        return
    if words and command.invoke_without_command:
        yield words, command
    for name in command.list_commands(context):
        yield from _commands(command.get_command(context, name), context, (*words, name))


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    """Every command, those of plugins as well, by its words."""
    root = get_command(app)
    with root.make_context("gateway", ["adapters"]) as context:
        return {" ".join(words): command for words, command in _commands(root, context)}


def test_every_command_speaks_json(commands: dict[str, Any]) -> None:
    """A program can run each command and read what it says."""
    assert len(commands) > 80
    silent = [
        words for words, command in commands.items() if not any("--json" in option.opts for option in command.params)
    ]
    assert silent == []


def test_every_command_and_option_is_explained(commands: dict[str, Any]) -> None:
    """``--help`` has a sentence for the command and for each thing that can be given to it."""
    for words, command in commands.items():
        assert command.help, words
        for given in command.params:
            assert given.help, f"{words}: {given.name}"


def test_every_built_in_command_has_its_panel_and_its_power(commands: dict[str, Any]) -> None:
    """Help shows each under a heading, and somebody decided which power it asks for."""
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    assert sorted(name for names in PANELS.values() for name in names) == sorted(root.commands)
    built_in = {words for words in commands if words.partition(" ")[0] in root.commands}
    undecided = {
        words for words in built_in
        if words not in OPEN_NO_STORE and not {words, words.partition(" ")[0]} & permits.POWERS.keys()
    }  # fmt: skip
    assert undecided == set()


def test_the_rule_sees_a_planted_fault() -> None:
    """A command without ``--json`` and help is one that the rule would name."""
    import typer

    planted = typer.Typer()

    @planted.command()
    def mute(name: str) -> None:
        typer.echo(name)

    found = get_command(planted)
    assert not any("--json" in option.opts for option in found.params)
    assert [one.name for one in found.params if isinstance(one, TyperArgument) and not one.help] == ["name"]
