"""What pages, errors and help tell a person to type exists: commands, their options, make targets and settings."""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from typer.core import TyperGroup
from typer.main import get_command

from gateway.cli import app
from gateway.registry import Registry
from gateway.settings import Settings
from tests.rules.tree import PRODUCT, ROOT, modules, parsed, short

PAGES = (ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md")))
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    (\S.*)", re.MULTILINE)
BLOCK = re.compile(r"(?:^(?:    .*)?\n)+", re.MULTILINE)
INLINE = re.compile(r"`([^`]+)`")
CALL = re.compile(r"(?:^|[|;&(] ?|bin/|run |emr-gateway )gateway ([^|;&#)\n]+)", re.MULTILINE)
PARTS = {
    "keys": ("provider", "key_providers"), "sources": ("adapter", "adapters"), "reactors": ("reactor", "reactors"),
    "routes": ("sink", "sinks"), "witnesses": ("witness", "witnesses"),
}  # fmt: skip
"""Table of ``gateway.toml`` -> the setting that names its plugin, and where the registry keeps plugins of that kind."""

MADE_UP = {"eva"}
"""What the guide to an adapter of one's own has its reader write."""


def code(page: str) -> Iterator[str]:
    """Every piece of a page that is set as code, a command that goes on behind a backslash on one line."""
    for fence in FENCE.finditer(page):
        yield fence[3].replace("\\\n", " ")
    rest = FENCE.sub("", page)
    yield from INDENTED.findall(rest)
    yield from (" ".join(piece.split()) for piece in INLINE.findall(rest))


def calls(text: str) -> Iterator[list[str]]:
    """The words behind ``gateway`` of every command in a piece of code."""
    yield from (said.split() for said in CALL.findall(text))


def unknown(words: list[str], root: Any) -> str:
    """The first word of a command that the command line does not know; empty when it knows all."""
    command = root
    for number, word in enumerate(words):
        if not isinstance(command, TyperGroup) or not re.fullmatch(r"[a-z][a-z0-9-]*", word):
            break
        if (found := command.commands.get(word)) is None:
            return "" if number and command.invoke_without_command else word
        command = found
    taken = {name for one in (root, command) for given in one.params for name in (*given.opts, *given.secondary_opts)}
    options = [word.partition("=")[0].strip("[],.") for word in words if word.startswith("--")]
    return next((option for option in options if option not in {*taken, "--help"}), "")


def sentences(tree: ast.AST) -> Iterator[str]:
    """Every text in a module; what is filled in reads as X."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.fixture(scope="module")
def root() -> Any:
    """The whole command line, commands of plugins as well."""
    command: Any = get_command(app)
    with command.make_context("gateway", ["adapters"]) as context:
        for name in command.list_commands(context):
            command.commands[name] = command.get_command(context, name)
    return command


@pytest.fixture(scope="module")
def registry() -> Registry:
    """Every plugin of this repository."""
    return Registry.load(None)


def test_pages_name_commands_and_options_that_exist(root: Any) -> None:
    """Whoever types what a page says is never told that there is no such command or option."""
    told = [(short(page), words) for page in PAGES for piece in code(page.read_text("utf-8")) for words in calls(piece)]
    assert len(told) > 150
    assert [(page, " ".join(words), fault) for page, words in told if (fault := unknown(words, root))] == []


def test_errors_name_commands_and_options_that_exist(root: Any) -> None:
    """Whoever does what an error or a help text says is never told that there is no such command or option."""
    told = [
        (short(path), words)
        for path in modules(*PRODUCT)
        if "`gateway " in path.read_text("utf-8")
        for sentence in sentences(parsed(path))
        for piece in INLINE.findall(sentence)
        for words in calls(piece)
    ]
    assert len(told) > 60
    assert [(path, " ".join(words), fault) for path, words in told if (fault := unknown(words, root))] == []


def test_pages_name_make_targets_that_exist() -> None:
    """Each ``make`` of a page is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    pieces = [piece for page in PAGES for piece in code(page.read_text("utf-8"))]
    named = {name for piece in pieces for name in re.findall(r"(?:^|[;&] *)make ([a-z]+)\b", piece, re.MULTILINE)}
    assert {"demo", "test", "check"} <= named
    assert named - targets == set()


def test_pages_show_settings_that_exist(registry: Registry) -> None:
    """Each piece of a ``gateway.toml`` on a page holds settings that the gateway or the plugin knows."""
    shown = [(short(page), text) for page in PAGES for text in _settings_of(page.read_text("utf-8"))]
    assert len(shown) > 30
    assert [(page, fault) for page, text in shown for fault in unset(tomllib.loads(text), registry)] == []


def _settings_of(page: str) -> Iterator[str]:
    """The pieces of settings on a page: code whose first table is one of ``gateway.toml``."""
    blocks = [textwrap.dedent(fence[3]) for fence in FENCE.finditer(page)]
    blocks += [textwrap.dedent(found[0]) for found in BLOCK.finditer(FENCE.sub("", page))]
    for block in blocks:
        first = re.match(r"(?:#.*\n|\s)*\[+(\w+)", block)
        if first is not None and first[1] in Settings.model_fields:
            yield re.sub(r"^gateway .*", "", block, flags=re.MULTILINE)  # a command may stand under its settings


def unset(document: dict[str, Any], registry: Registry) -> Iterator[str]:
    """Settings in one piece that nobody knows; what else a whole file must have is not asked for."""
    yield from _extra(Settings, document)
    for table, (key, kind) in PARTS.items():
        rows = document.get(table, [])
        for row in [rows] if isinstance(rows, dict) else rows:
            plugin = getattr(registry, kind).get(row.get(key))
            if plugin is not None:
                yield from _extra(plugin.config, row.get("config", {}))
            elif key in row and row[key] not in MADE_UP:
                yield f"{table}.{key} {row[key]}"


def _extra(model: type[BaseModel], values: dict[str, Any]) -> Iterator[str]:
    try:
        model.model_validate(values)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            if one["type"] == "extra_forbidden":
                yield ".".join(str(part) for part in one["loc"])


def test_the_rules_see_a_planted_fault(root: Any, registry: Registry) -> None:
    """A command, an option, and a setting of gateway or plugin that are not there are each named."""
    page = "`gateway verify ledger`\n\n    gateway verify everything\n\n```sh\nbin/gateway check \\\n --fast\n```"
    told = [words for piece in code(page) for words in calls(piece)]
    assert sorted(unknown(words, root) for words in told) == ["", "--fast", "everything"]
    assert next(sentences(ast.parse("f'see `gateway {x} y`'"))) == "see `gateway X y`"
    piece = {"sources": [{"adapter": "cliniko", "speed": 1, "config": {"colour": 2}}], "routes": [{"sink": "moon"}]}
    assert list(unset(piece, registry)) == ["sources.0.speed", "colour", "routes.sink moon"]
