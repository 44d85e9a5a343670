"""Small enough to be read at once: files, classes and functions, measured, with the exceptions named."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from tests.rules.tree import PRODUCT, functions, length, modules, parsed, short

FILE, PART, CLASS, FUNCTION, NINE_IN_TEN = 400, 250, 250, 80, 40

LONGER: Mapping[str, str] = {}
"""File or ``file::function`` -> why it may be longer."""


def oversized(name: str, lines: int, tree: ast.Module) -> Iterator[str]:
    """What in one file is too long."""
    limit = PART if name.startswith(("adapters/", "plugins/")) else FILE
    if lines > limit and name not in LONGER:
        yield f"{name}: {lines} lines, at most {limit}"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and length(node) > CLASS:
            yield f"{name}::{node.name}: {length(node)} lines, at most {CLASS}"
    for node in functions(tree):
        if length(node) > FUNCTION and f"{name}::{node.name}" not in LONGER:
            yield f"{name}::{node.name}: {length(node)} lines, at most {FUNCTION}"


def ninth_decile(lengths: list[int]) -> int:
    """The length that nine functions in ten do not pass."""
    return sorted(lengths)[len(lengths) * 9 // 10]


def test_nothing_is_oversized() -> None:
    """Files, adapter and plugin files, classes and functions keep their limits."""
    found = (
        fault
        for path in modules(*PRODUCT, "tools", "benchmarks")
        for fault in oversized(short(path), path.read_text("utf-8").count("\n"), parsed(path))
    )
    assert list(found) == []


def test_most_functions_are_short() -> None:
    """Nine functions in ten fit on half a screen, in every part of the product."""
    measured = {
        part: ninth_decile([length(node) for path in modules(part) for node in functions(parsed(path))])
        for part in PRODUCT
        if any(True for path in modules(part) for _ in functions(parsed(path)))
    }
    assert "gateway" in measured
    assert {part: decile for part, decile in measured.items() if decile >= NINE_IN_TEN} == {}


def test_no_exception_is_stale() -> None:
    """Each listed exception is still needed and has a reason."""
    trees = {short(path): path for path in modules(*PRODUCT, "tools", "benchmarks")}
    for entry, reason in LONGER.items():
        assert len(reason.split()) > 3, entry
        assert entry.split("::")[0] in trees, entry


def test_the_rules_see_a_planted_fault() -> None:
    """A long file, class and function are each found; a docstring does not count."""
    body = "        x = 1\n" * 90
    tree = ast.parse(f"class A:\n    def f(self):\n{body}    def g(self):\n{body}    def h(self):\n{body}")
    found = list(oversized("adapters/gateway_x/records.py", 300, tree))
    assert [line.split(":")[-1].strip() for line in found] == [
        "300 lines, at most 250",
        "274 lines, at most 250",
        *["91 lines, at most 80"] * 3,
    ]
    words = ast.parse('def f():\n    """One.\n\n' + "    Word.\n" * 90 + '    """\n')
    assert list(oversized("gateway/x.py", 95, words)) == []
    assert ninth_decile(list(range(100))) == 90
