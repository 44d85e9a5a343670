"""Modules are called after what they hold, and each is imported under one name only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.rules.tree import imported, modules, parsed, short

EMPTY = {"util", "utils", "helper", "helpers", "manager", "managers", "base", "common", "misc", "core", "shared", "lib"}
FOLDERS = {"adapters", "plugins", "mappings"}


def empty_names(path: Path) -> Iterator[str]:
    """Parts of a module's path that say nothing."""
    return (part for part in (*path.parts[:-1], path.stem) if part.removeprefix("test_").strip("_") in EMPTY)


def doubled(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Imports through the folder, which would make a second module object of the same file."""
    return ((name, line) for name, line in imported(tree) if name.split(".")[0] in FOLDERS)


def test_no_module_has_an_empty_name() -> None:
    """No module is called after its being useful."""
    found = {short(path): list(empty_names(Path(short(path)))) for path in modules()}
    assert {path: parts for path, parts in found.items() if parts} == {}


def test_no_module_is_imported_through_its_folder() -> None:
    """Packages inside the folders are imported as ``gateway_<name>``."""
    assert [f"{short(path)} line {line}: {name}" for path in modules() for name, line in doubled(parsed(path))] == []


def test_the_rules_see_a_planted_fault() -> None:
    """A helper module and an import through the folder are found."""
    assert list(empty_names(Path("gateway/wire/utils.py"))) == ["utils"]
    assert list(doubled(ast.parse("import adapters.gateway_x\nfrom plugins import y\n"))) == [
        ("adapters.gateway_x", 1),
        ("plugins.y", 2),
    ]
