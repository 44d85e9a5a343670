"""The plugin contract fits on one page: few hooks, one sentence each."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.rules.tree import ROOT, functions, parsed

PAGE, HOOKS = 190, 6


def faults(text: str, tree: ast.Module) -> Iterator[str]:
    """Where a contract is longer than a page or a hook than a sentence."""
    if text.count("\n") >= PAGE:
        yield f"{text.count(chr(10))} lines"
    hooks = [node for node in tree.body if isinstance(node, ast.FunctionDef) and _is_hook(node)]
    if not 0 < len(hooks) <= HOOKS:
        yield f"{len(hooks)} hooks"
    for node in functions(tree):
        words = ast.get_docstring(node) or ""
        if not words.endswith(".") or words.count(". ") or "\n\n" in words:
            yield f"{node.name}: not one sentence"
        if node.returns is None:
            yield f"{node.name}: no return type"


def _is_hook(node: ast.FunctionDef) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "hookspec" for mark in node.decorator_list)


def test_the_contract_is_one_page() -> None:
    """Fewer than 190 lines, six hooks or fewer, every function typed and told in one sentence."""
    path = ROOT / "gateway/hookspecs.py"
    assert list(faults(path.read_text("utf-8"), parsed(path))) == []


def test_the_rules_see_a_planted_fault() -> None:
    """Too many hooks, a missing sentence and a missing type are found."""
    text = "".join(f'@hookspec\ndef hook_{n}():\n    """One. Two."""\n' for n in range(7)) + "\n" * PAGE
    assert list(faults(text, ast.parse(text)))[:4] == [
        "211 lines",
        "7 hooks",
        "hook_0: not one sentence",
        "hook_0: no return type",
    ]
