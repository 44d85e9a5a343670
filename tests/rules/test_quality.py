"""Quality is declared per plugin and checked: each rule is done, or exempt with a reason."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.rules.tree import ROOT, files, short

JOBS = ("translate.py", "command.py", "sink.py", "reactor.py", "provider.py")


def tables() -> dict[str, dict[str, dict[str, Any]]]:
    """The quality tables by kind of plugin and by folder."""
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for path in files("adapters", "plugins"):
        if path.name == "quality.toml":
            found[kind(path.parent)][short(path)] = tomllib.loads(path.read_text("utf-8")).get("rules", {})
    return found


def kind(folder: Path) -> str:
    """What a plugin is: an adapter, or what its job's file says."""
    if folder.parent == ROOT / "adapters":
        return "adapter"
    return next((job for job in reversed(JOBS) if (folder / job).exists()), "unknown")


def faults(rules: dict[str, Any]) -> Iterator[str]:
    """Rules that are neither done nor exempt with a reason in words."""
    for name, state in rules.items():
        reason = state.get("exempt", "") if isinstance(state, dict) else ""
        if state != "done" and len(str(reason).split()) < 4:
            yield name


def test_each_rule_is_done_or_exempt_with_a_reason() -> None:
    """No rule is left open, and no exemption goes without words."""
    found = {path: list(faults(rules)) for group in tables().values() for path, rules in group.items()}
    assert found
    assert {path: names for path, names in found.items() if names} == {}


def test_plugins_of_a_kind_answer_the_same_rules() -> None:
    """Every adapter answers every adapter's rule, and so for sinks and key providers."""
    for group in tables().values():
        asked = {name for rules in group.values() for name in rules}
        assert {path: asked - rules.keys() for path, rules in group.items() if asked - rules.keys()} == {}


def test_the_rules_see_a_planted_fault() -> None:
    """A rule left open and an exemption without a reason are found."""
    planted = {"a": "done", "b": "todo", "c": {"exempt": "no"}, "d": {"exempt": "the vendor offers none"}}
    assert list(faults(planted)) == ["b", "c"]
