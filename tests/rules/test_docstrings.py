"""Every test states its promise in a sentence."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.rules.tree import functions, modules, parsed, short


def silent(tree: ast.Module) -> Iterator[str]:
    """Tests without a promise, or with one that is not a sentence."""
    for node in functions(tree):
        if node.name.startswith("test_"):
            words = (ast.get_docstring(node) or "").strip()
            if len(words.split()) < 4 or not words.endswith("."):
                yield node.name


def test_every_test_states_its_promise() -> None:
    """A reader learns what is promised without reading how it is checked."""
    assert [f"{short(path)}::{name}" for path in modules("tests") for name in silent(parsed(path))] == []


def test_the_rules_see_a_planted_fault() -> None:
    """A test without words, and one whose words are no sentence, are found."""
    text = 'def test_a(): pass\ndef test_b():\n    "Works."\nasync def test_c():\n    "Nothing is lost here."\n'
    assert list(silent(ast.parse(text))) == ["test_a", "test_b"]
